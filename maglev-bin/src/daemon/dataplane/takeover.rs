//! Which settings VPP has, where only its threads tell them.

use std::collections::BTreeMap;

use maglev_sync::text::{StickySettings, StickyTable};
use maglev_sync::{ConfUpdate, LbConf};

/// Sticky buckets and time-out of a VPP before 26.10, over one link.
///
/// No message tells them there. `show lb` prints those of each thread's sticky table, which takes new ones over at the
/// thread's next packet: until then it shows those of before. So what was written counts until a thread that had
/// packets since shows something else. It had some if it shows other settings than at the look before, or has more
/// sessions.
///
/// # Caveats
/// What somebody else sets is unknown until a thread takes it over. It stays unknown if the thread took over what is
/// believed and then again what it showed before, all between two looks, and has no more sessions than at the first.
/// While nothing was written over this link, the last thread counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Takeover {
    believed: Option<StickySettings>,
    /// What each thread showed last; nothing before the first look, and before the first one after a write.
    shown: Option<BTreeMap<u32, StickyTable>>,
    /// How often to look of our own accord, since the last write.
    looks_left: u32,
}

/// Enough for every thread with packets to take settings over. One without may never do, and each look stops VPP's
/// workers while it goes through their tables.
const LOOKS: u32 = 10;

impl Takeover {
    /// VPP took these settings.
    pub(super) fn handle_written(&mut self, update: ConfUpdate) {
        let before = self.believed;
        let buckets = update.sticky_buckets.map(|buckets| buckets.get()).or(before.map(|it| it.buckets));
        let timeout = update.flow_timeout.map(|timeout| timeout.as_secs()).or(before.map(|it| it.timeout));
        self.believed = buckets.zip(timeout).map(|(buckets, timeout)| StickySettings { buckets, timeout });
        self.shown = None;
        self.looks_left = LOOKS;
    }

    /// What the threads show. At the first look after a write, whatever differs from what was written is older.
    pub(super) fn handle_shown(&mut self, tables: BTreeMap<u32, StickyTable>) {
        let (believed, shown) = (self.believed, self.shown.as_ref());
        let had_packets = |thread: &u32, table: &StickyTable| {
            let before = |shown: &BTreeMap<u32, StickyTable>| shown.get(thread).copied();
            let is_later = |it: StickyTable| it.settings != table.settings || it.used < table.used;
            shown.is_some_and(|shown| before(shown).is_none_or(is_later))
        };
        let is_news = |(thread, table): &(&u32, &StickyTable)| {
            believed.is_none_or(|believed| believed != table.settings && had_packets(thread, table))
        };
        if let Some((_, news)) = tables.iter().rev().find(is_news) {
            self.believed = Some(news.settings);
        }
        self.shown = Some(tables);
        self.looks_left = self.looks_left.saturating_sub(1);
    }

    /// Whether to look once more: something was written, and a thread shows something else, or nobody has looked. Not
    /// for ever.
    pub(super) fn is_open(&self) -> bool {
        let agrees = |table: &StickyTable| self.believed == Some(table.settings);
        self.looks_left > 0 && !self.shown.as_ref().is_some_and(|shown| shown.values().all(agrees))
    }

    /// The settings, with addresses as `show lb` told them; without buckets and time-out while neither VPP nor a write
    /// told any.
    pub(super) fn settings(&self, addresses: LbConf) -> LbConf {
        let (sticky_buckets_per_core, flow_timeout) = self.believed.map(|it| (it.buckets, it.timeout)).unzip();
        LbConf { sticky_buckets_per_core, flow_timeout, ..addresses }
    }
}

#[cfg(test)]
mod tests {
    use maglev_sync::{FlowTimeout, StickyBuckets};

    use super::*;

    const OLD: StickySettings = table(1_024, 40);
    const WRITTEN: StickySettings = table(2_048, 30);
    const OTHER: StickySettings = table(1_024, 25);

    const fn table(buckets: u32, timeout: u32) -> StickySettings {
        StickySettings { buckets, timeout }
    }

    /// Threads without sessions.
    fn tables(shown: &[(u32, StickySettings)]) -> BTreeMap<u32, StickyTable> {
        shown.iter().map(|(thread, settings)| (*thread, StickyTable { settings: *settings, used: 0 })).collect()
    }

    fn update(buckets: Option<u32>, timeout: u32) -> ConfUpdate {
        ConfUpdate {
            ip4_src: [10, 0, 0, 1].into(),
            ip6_src: [0; 16].into(),
            sticky_buckets: buckets.map(|buckets| StickyBuckets::new(buckets).expect("a power of two")),
            flow_timeout: Some(FlowTimeout::from_secs(timeout).expect("a time-out")),
        }
    }

    /// After a write of [`WRITTEN`], while these tables are shown.
    fn written(shown: &[(u32, StickySettings)]) -> Takeover {
        let mut takeover = Takeover::default();
        takeover.handle_written(update(Some(2_048), 30));
        takeover.handle_shown(tables(shown));
        takeover
    }

    fn after(mut takeover: Takeover, shown: &[(u32, StickySettings)]) -> Option<StickySettings> {
        takeover.handle_shown(tables(shown));
        takeover.believed
    }

    #[test]
    fn as_long_as_nothing_was_written_the_last_thread_counts_when_it_is_first_seen() {
        assert_eq!(after(Takeover::default(), &[]), None);
        assert_eq!(after(Takeover::default(), &[(1, OLD), (2, OTHER)]), Some(OTHER));
    }

    #[test]
    fn what_was_written_holds_while_threads_show_what_they_showed_or_take_it_over() {
        for shown in [&[][..], &[(1, OLD), (2, OTHER)], &[(1, WRITTEN), (2, OTHER)], &[(1, WRITTEN), (2, WRITTEN)]] {
            assert_eq!(after(written(&[(1, OLD), (2, OTHER)]), shown), Some(WRITTEN), "{shown:?}");
        }
        // A thread that had no table makes it with what VPP has.
        assert_eq!(after(written(&[(1, OLD)]), &[(1, OLD), (2, WRITTEN)]), Some(WRITTEN));
    }

    #[test]
    fn a_thread_that_shows_something_new_is_believed_and_the_others_do_not_contradict() {
        let mut takeover = written(&[(1, OLD), (2, OLD)]);
        takeover.handle_shown(tables(&[(1, OTHER), (2, WRITTEN)]));
        assert_eq!(takeover.believed, Some(OTHER));
        takeover.handle_shown(tables(&[(1, OTHER), (2, WRITTEN)]));
        assert_eq!(takeover.believed, Some(OTHER));
        takeover.handle_shown(tables(&[(1, OTHER), (2, OTHER)]));
        assert_eq!(takeover.believed, Some(OTHER));
        // Back to what it showed before, which is news from it now.
        assert_eq!(after(takeover, &[(1, OTHER), (2, WRITTEN)]), Some(WRITTEN));
        // A thread with its first table.
        assert_eq!(after(written(&[(1, OLD)]), &[(1, OLD), (2, OTHER)]), Some(OTHER));
    }

    #[test]
    fn a_thread_that_had_packets_since_the_write_is_believed_also_with_what_it_showed_then() {
        let shown = |used| BTreeMap::from([(1, StickyTable { settings: OLD, used })]);
        let mut takeover = Takeover::default();
        takeover.handle_shown(shown(1));
        takeover.handle_written(update(Some(2_048), 30));
        takeover.handle_shown(shown(5));
        assert_eq!(takeover.believed, Some(WRITTEN), "these packets may have come before the write");
        takeover.handle_shown(shown(5));
        assert_eq!(takeover.believed, Some(WRITTEN));
        takeover.handle_shown(shown(3));
        assert_eq!(takeover.believed, Some(WRITTEN), "sessions that end are no packets");
        takeover.handle_shown(shown(4));
        assert_eq!(takeover.believed, Some(OLD));
    }

    #[test]
    fn threads_are_looked_at_again_while_one_of_them_shows_something_else_than_was_written() {
        let mut takeover = Takeover::default();
        assert!(!takeover.is_open());
        takeover.handle_shown(tables(&[(1, OLD), (2, OTHER)]));
        assert!(!takeover.is_open(), "nothing was written");
        takeover.handle_written(update(Some(2_048), 30));
        assert!(takeover.is_open());
        for (shown, is_open) in [
            (&[(1, OLD), (2, OTHER)][..], true),
            (&[(1, WRITTEN), (2, OTHER)], true),
            (&[(1, WRITTEN), (2, WRITTEN)], false),
            (&[(1, OTHER), (2, WRITTEN)], true),
            (&[(1, OTHER), (2, OTHER)], false),
            (&[], false),
        ] {
            takeover.handle_shown(tables(shown));
            assert_eq!(takeover.is_open(), is_open, "{shown:?}");
        }
    }

    #[test]
    fn a_thread_without_packets_is_not_looked_at_for_ever() {
        let mut takeover = written(&[(0, OLD), (1, OLD)]);
        let shown = tables(&[(0, OLD), (1, WRITTEN)]);
        let looks = (0..100).take_while(|_| {
            takeover.handle_shown(shown.clone());
            takeover.is_open()
        });
        assert!(looks.count() < LOOKS as usize);
        takeover.handle_written(update(None, 20));
        assert!(takeover.is_open());
    }

    #[test]
    fn a_write_that_keeps_the_buckets_keeps_those_that_are_believed() {
        let mut takeover = written(&[(1, OLD)]);
        takeover.handle_written(update(None, 20));
        assert_eq!(takeover.believed, Some(table(2_048, 20)));
        // Where none are known, the threads tell them.
        let mut takeover = Takeover::default();
        takeover.handle_written(update(None, 20));
        assert_eq!(takeover.believed, None);
        assert_eq!(after(takeover, &[(1, OLD)]), Some(OLD));
    }

    #[test]
    fn addresses_are_those_that_were_told() {
        let told = LbConf { ip4_src: [10, 0, 0, 9].into(), ..LbConf::default() };
        let settings = written(&[(1, OLD)]).settings(told);
        assert_eq!((settings.ip4_src, settings.sticky_buckets_per_core), (told.ip4_src, Some(2_048)));
        assert_eq!(Takeover::default().settings(told).flow_timeout, None);
    }
}
