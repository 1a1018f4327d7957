//! Lives of a VPP.

/// One life of a VPP, as far as it can be told from the next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Life {
    pub(super) number: u64,
    pid: u32,
    /// Unknown while the stats segment cannot be read.
    boot_time: Option<u64>,
}

impl Life {
    /// The life behind a new link: another one if the process is another, or is known to have started at another time.
    pub(super) fn next(self, pid: u32, boot_time: Option<u64>) -> Self {
        let same_start = self.boot_time.is_none() || boot_time.is_none() || self.boot_time == boot_time;
        if self.number > 0 && self.pid == pid && same_start {
            return Self { boot_time: boot_time.or(self.boot_time), ..self };
        }
        Self { number: self.number + 1, pid, boot_time }
    }
}

#[cfg(test)]
mod tests {
    use super::Life;

    #[test]
    fn a_stats_segment_that_was_unreadable_once_is_no_restart_of_vpp() {
        let first = Life::default().next(77, None);
        let second = first.next(77, Some(1_000));
        let third = second.next(77, None);
        let fourth = third.next(77, Some(1_000));
        assert_eq!([second.number, third.number, fourth.number], [first.number; 3]);
    }

    #[test]
    fn another_process_or_another_start_is_another_life() {
        let first = Life::default().next(77, Some(1_000));
        assert_ne!(first.next(78, Some(1_000)).number, first.number);
        assert_ne!(first.next(77, Some(2_000)).number, first.number);
        assert_ne!(first.next(77, None).next(77, Some(2_000)).number, first.number);
    }
}
