//! What the threads of this process took from the processor, as the kernel counts.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time on a processor, and time in the queue for one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Of the whole process: daemon, simulated VPP, web server, teller of events.
    pub(crate) process: Duration,
    /// Of the API's thread.
    pub(crate) api: Duration,
    /// Of the threads that probe and decide.
    pub(crate) checker: Duration,
    /// How long the threads that probe and decide were ready and had no processor.
    pub(crate) checker_waited: Duration,
}

impl Usage {
    /// So far.
    pub(crate) fn now() -> Self {
        let clock = clock_gettime(ClockId::ProcessCPUTime);
        let seconds = u64::try_from(clock.tv_sec).unwrap_or_default();
        let mut usage = Self {
            process: Duration::new(seconds, u32::try_from(clock.tv_nsec).unwrap_or_default()),
            ..Self::default()
        };
        // Linux: proc_pid_stat(5) and Documentation/scheduler/sched-stats.rst. A kernel without either shows zeros.
        for thread in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            let read = |name| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
            let times = read("schedstat");
            let mut times =
                times.split_whitespace().map(|nanos| Duration::from_nanos(nanos.parse().unwrap_or_default()));
            let (ran, waited) = (times.next().unwrap_or_default(), times.next().unwrap_or_default());
            match read("comm").trim_end() {
                "maglevd-grpc" => usage.api += ran,
                "checker" => {
                    usage.checker += ran;
                    usage.checker_waited += waited;
                }
                _ => {}
            }
        }
        usage
    }

    /// What came since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            process: self.process.saturating_sub(before.process),
            api: self.api.saturating_sub(before.api),
            checker: self.checker.saturating_sub(before.checker),
            checker_waited: self.checker_waited.saturating_sub(before.checker_waited),
        }
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.process += other.process;
        self.api += other.api;
        self.checker += other.checker;
        self.checker_waited += other.checker_waited;
    }
}
