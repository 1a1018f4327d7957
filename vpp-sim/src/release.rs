//! The releases of VPP that the simulator can play, and in what they differ: one question for each behaviour.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Which release of VPP to behave like. Later is greater.
///
/// ```
/// use vpp_sim::Release;
///
/// assert_eq!("26.10".parse(), Ok(Release::V26_10));
/// assert!(Release::V25_10 < Release::V26_10);
/// let error = "3.14".parse::<Release>().expect_err("no such release");
/// assert_eq!(error.to_string(), "no release \"3.14\", there are 24.10, 25.10, 26.06 and 26.10");
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Release {
    /// 24.10: servers have no weights, and requests for lb mean something else than they say.
    V24_10,
    /// 25.10: the same plugin as in 24.10.
    V25_10,
    /// 26.06: the same plugin again, in a VPP whose stats segment has gauges.
    V26_06,
    /// 26.10-rc0: weights, and handlers that read their messages as they are defined.
    #[default]
    V26_10,
}

impl Release {
    /// Every release there is, the oldest first.
    pub const ALL: [Self; 4] = [Self::V24_10, Self::V25_10, Self::V26_06, Self::V26_10];

    /// What `show_version` says: version, date and directory of the build. Those of 25.10 and 26.10 were recorded.
    pub(crate) fn build(self) -> Build {
        let build = |version, date, directory| Build { version, date, directory };
        match self {
            Self::V24_10 => build("24.10-release", "2024-10-30T12:36:42", "/usr/src/vpp"),
            Self::V25_10 => build("25.10-release", "2026-11-21T01:05:16", "/usr/src/vpp0000"),
            Self::V26_06 => build("26.06-release", "2026-06-24T12:12:09", "/usr/src/vpp"),
            Self::V26_10 => build("26.10-rc0~374-gb575ec2c56d", "2026-11-21T00:04:17", "/usr/src/vpp"),
        }
    }

    /// Messages that it does not have, of those that `vpp-api` has.
    pub(crate) fn lacks(self, message: &str) -> bool {
        self < Self::V26_10 && NEW_IN_26_10.contains(&message)
    }

    /// The name under which `get_first_msg_id` knows the range of lb: it ends in the CRC of the whole definition.
    pub(crate) fn lb_message_range(self) -> &'static str {
        if self < Self::V26_10 { "lb_31818767" } else { "lb_487dee0a" }
    }

    /// Whether each server has a weight of its own; else each in use counts as 1.
    pub(crate) fn has_weights(self) -> bool {
        self >= Self::V26_10
    }

    /// Whether a server that is added again while it lingers can be flushed in the same breath.
    pub(crate) fn flushes_when_a_server_is_added_again(self) -> bool {
        self >= Self::V26_10
    }

    /// Whether `pfx.len` of an IPv4 VIP counts from the address on, in requests and details; else from 96 bits before.
    pub(crate) fn counts_ip4_lengths_from_0(self) -> bool {
        self >= Self::V26_10
    }

    /// Whether `encap` is swapped before it is compared.
    pub(crate) fn swaps_encap(self) -> bool {
        self >= Self::V26_10
    }

    /// Whether the port in the filter of `lb_as_dump` is swapped before it is compared.
    pub(crate) fn swaps_the_port_of_filters(self) -> bool {
        self >= Self::V26_10
    }

    /// Whether `lb_flush_vip` decodes its address by family; else it takes the 16 bytes as they are.
    pub(crate) fn decodes_the_address_to_flush(self) -> bool {
        self >= Self::V26_10
    }

    /// Whether details tell the protocol; else it is 0, swapped away.
    pub(crate) fn tells_the_protocol(self) -> bool {
        self >= Self::V26_10
    }

    /// Whether details have `encap` as the definition numbers it; else as VPP's own type of a VIP.
    pub(crate) fn tells_encap_as_defined(self) -> bool {
        self >= Self::V26_10
    }

    /// Whether details have the low half of the table length; else the high one.
    pub(crate) fn tells_the_low_half_of_the_table_length(self) -> bool {
        self >= Self::V26_10
    }

    /// Whether `lb_vip_dump` leaves out removed VIPs; else they look like any other.
    pub(crate) fn hides_removed_vips(self) -> bool {
        self >= Self::V26_10
    }

    /// Whether garbage is collected every minute, by a process of its own.
    pub(crate) fn collects_garbage_by_itself(self) -> bool {
        self >= Self::V26_10
    }

    /// Whether the command `lb as` collects garbage of all VIPs first, as `lb vip` and `lb conf` do in every release.
    pub(crate) fn collects_garbage_before_lb_as(self) -> bool {
        self < Self::V26_10
    }

    /// Whether `show lb vips` prints something when no word follows.
    pub(crate) fn shows_vips_without_a_further_word(self) -> bool {
        self >= Self::V26_10
    }

    /// Whether `control_ping_reply.client_index` is filled in.
    pub(crate) fn fills_in_the_client_of_a_ping(self) -> bool {
        self >= Self::V26_10
    }

    /// Whether the stats segment has gauges; else they are scalars.
    pub(crate) fn has_gauges(self) -> bool {
        self >= Self::V26_06
    }
}

/// How a VPP says that it was built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Build {
    pub(crate) version: &'static str,
    pub(crate) date: &'static str,
    pub(crate) directory: &'static str,
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V24_10 => "24.10",
            Self::V25_10 => "25.10",
            Self::V26_06 => "26.06",
            Self::V26_10 => "26.10",
        })
    }
}

impl FromStr for Release {
    type Err = UnknownRelease;

    fn from_str(text: &str) -> Result<Self, UnknownRelease> {
        let named = |release: &Self| release.to_string() == text;
        Self::ALL.into_iter().find(named).ok_or_else(|| UnknownRelease(text.to_owned()))
    }
}

/// A release that the simulator does not know.
///
/// ```
/// use vpp_sim::{Release, UnknownRelease};
///
/// /// The release named in the version of a VPP, such as `26.06-release`.
/// fn release(version: &str) -> Result<Release, UnknownRelease> {
///     version.get(..5).unwrap_or(version).parse()
/// }
///
/// assert_eq!(release("26.06-release"), Ok(Release::V26_06));
/// assert_eq!(release("23.02-release"), Err(UnknownRelease("23.02".to_owned())));
/// ```
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("no release {0:?}, there are {list}", list = list())]
pub struct UnknownRelease(pub String);

/// `24.10, 25.10, 26.06 and 26.10`.
fn list() -> String {
    let [older @ .., newest] = Release::ALL;
    format!("{} and {newest}", older.map(|release| release.to_string()).join(", "))
}

/// What the releases before do not have.
const NEW_IN_26_10: [&str; 8] = [
    "lb_conf_get",
    "lb_conf_get_reply",
    "lb_add_del_as_v2",
    "lb_add_del_as_v2_reply",
    "lb_as_set_weight",
    "lb_as_set_weight_reply",
    "lb_as_v2_dump",
    "lb_as_v2_details",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_release_is_read_as_it_is_written_and_they_come_in_order() {
        assert!(Release::ALL.is_sorted());
        for release in Release::ALL {
            assert_eq!(release.to_string().parse(), Ok(release));
            assert!(release.build().version.starts_with(&release.to_string()));
        }
        assert_eq!(Release::ALL.last(), Some(&Release::default()));
    }
}
