//! How single values look.

use std::borrow::Cow;
use std::fmt;

use anstyle::{AnsiColor, Style};
use comfy_table::{Attribute, Cell, Color};
use jiff::Timestamp as Time;

use crate::proto::Timestamp;

/// What a text means, and so how it looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Bad,
    Doubt,
    /// Out of service by someone's will.
    Off,
    Faint,
    Strong,
}

impl Tone {
    /// Of the state of a backend or frontend.
    pub(super) fn of_state(state: &str) -> Self {
        match state {
            "up" => Self::Good,
            "down" => Self::Bad,
            "unknown" => Self::Doubt,
            "paused" | "disabled" | "removed" => Self::Off,
            _ => Self::Plain,
        }
    }

    fn color(self) -> Option<(AnsiColor, Color)> {
        match self {
            Self::Good => Some((AnsiColor::Green, Color::DarkGreen)),
            Self::Bad => Some((AnsiColor::Red, Color::DarkRed)),
            Self::Doubt => Some((AnsiColor::Yellow, Color::DarkYellow)),
            Self::Off => Some((AnsiColor::Blue, Color::DarkBlue)),
            Self::Plain | Self::Faint | Self::Strong => None,
        }
    }

    /// `text` so that it looks so.
    pub(crate) fn paint<T: fmt::Display>(self, text: T) -> String {
        let style = match (self.color(), self) {
            (Some((color, _)), _) => color.on_default(),
            (None, Self::Faint) => Style::new().dimmed(),
            (None, Self::Strong) => Style::new().bold(),
            (None, _) => Style::new(),
        };
        format!("{style}{text}{style:#}")
    }

    /// A cell that looks so.
    pub(super) fn dress(self, cell: Cell) -> Cell {
        match (self.color(), self) {
            (Some((_, color)), _) => cell.fg(color),
            (None, Self::Faint) => cell.add_attribute(Attribute::Dim),
            (None, Self::Strong) => cell.add_attribute(Attribute::Bold),
            (None, _) => cell,
        }
    }
}

/// `text` with its control characters spelled out, so that no name, reason or reply of a server steers a terminal.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    // Marks that turn the direction of writing can make a line say something else than it does.
    let harmful = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::new();
    for c in text.chars() {
        if harmful(c) { clean.extend(c.escape_default()) } else { clean.push(c) }
    }
    Cow::Owned(clean)
}

/// How long ago `since` was, in its two largest units, such as `3m12s` or `2d4h`; `-` if that is not known.
pub(super) fn age(since: Option<&Timestamp>, now: Time) -> String {
    match since.and_then(Timestamp::time) {
        // The clock of the server may be ahead.
        Some(since) => span(now.duration_since(since).as_secs().max(0).unsigned_abs()),
        None => "-".to_owned(),
    }
}

/// A number of seconds in its two largest units.
pub(super) fn span(seconds: u64) -> String {
    let [minute, hour, day] = [60, 3_600, 86_400];
    let (large, unit, small, rest) = match seconds {
        ..60 => return format!("{seconds}s"),
        60..3_600 => (minute, 'm', 1, 's'),
        3_600..86_400 => (hour, 'h', minute, 'm'),
        _ => (day, 'd', hour, 'h'),
    };
    match seconds % large / small {
        0 => format!("{}{unit}", seconds / large),
        more => format!("{}{unit}{more}{rest}", seconds / large),
    }
}

/// A point in time as the daemon's log writes it, to the second; `-` if it is not known.
pub(super) fn time(time: Option<&Timestamp>) -> String {
    time.and_then(Timestamp::time)
        .map_or_else(|| "-".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// A VIP as it is written everywhere: `192.0.2.1 tcp/80`, `192.0.2.1 any`.
pub(super) fn vip(prefix: &str, protocol: &str, port: u32) -> String {
    if port == 0 {
        clean(&format!("{prefix} {protocol}")).into()
    } else {
        clean(&format!("{prefix} {protocol}/{port}")).into()
    }
}

/// A part of a whole in percent; `-` if there is no whole.
pub(super) fn percent(part: u64, whole: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "tables and counts of them are far below 2^52")]
    let share = part as f64 / whole as f64;
    if whole == 0 { "-".to_owned() } else { format!("{:.1} %", share * 100.0) }
}

/// The value, or `-`.
pub(super) fn or_dash<T: fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// How many digits a number has.
pub(super) fn digits(number: u32) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// A count with its noun: `1 VIP`, `2 VIPs`.
pub(super) fn count(number: u64, noun: &str) -> String {
    let plural = match (number, noun.ends_with('S')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_its_two_largest_units() {
        for (seconds, wanted) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (192, "3m12s"),
            (3_600, "1h"),
            (7_500, "2h5m"),
            (86_399, "23h59m"),
            (187_200, "2d4h"),
            (31_536_000, "365d"),
        ] {
            assert_eq!(span(seconds), wanted);
        }
        let now = Time::from_second(1_000).unwrap();
        let at = |second| Timestamp { seconds: second, nanos: 0 };
        assert_eq!(age(Some(&at(808)), now), "3m12s");
        assert_eq!(age(Some(&at(2_000)), now), "0s", "a clock that is ahead");
        assert_eq!(age(None, now), "-");
        assert_eq!(age(Some(&at(i64::MAX)), now), "-");
    }

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(clean("disk swap ä"), "disk swap ä");
        assert_eq!(clean("\u{1b}[2Jgone\n\u{202e}"), "\\u{1b}[2Jgone\\n\\u{202e}");
    }

    #[test]
    fn nouns_agree_with_their_number() {
        assert_eq!(
            [count(1, "VIP"), count(0, "VIP"), count(2, "AS"), count(1, "AS")],
            ["1 VIP", "0 VIPs", "2 ASes", "1 AS"]
        );
    }

    #[test]
    fn a_vip_without_a_port_takes_everything() {
        assert_eq!(vip("192.0.2.1", "any", 0), "192.0.2.1 any");
        assert_eq!(vip("2001:db8::1", "udp", 53), "2001:db8::1 udp/53");
    }
}
