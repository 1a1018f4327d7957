//! The sticky table of one thread: which server each flow seen lately goes to (VPP `src/plugins/lb/lbhash.h`).

/// One thread's table: `buckets` buckets of four entries.
#[derive(Clone, Debug)]
pub(crate) struct StickyTable {
    /// Per bucket four hashes, four expiry times, four VIPs, four AS slots, as in VPP; zeroed pages cost nothing until used.
    buckets: Vec<[u32; 4 * WAYS]>,
    /// Seconds that an entry lives after its last packet.
    timeout: u32,
}

/// What a look-up found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hit {
    /// An entry that names this AS slot.
    Server(u32),
    /// No such entry, or one without a server, but this way of the bucket has expired.
    Free(usize),
    /// Neither.
    Full,
}

impl StickyTable {
    /// # Panics
    /// If `buckets` is not a power of two.
    pub(crate) fn new(buckets: u32, timeout: u32) -> Self {
        assert!(buckets.is_power_of_two());
        Self { buckets: vec![[0; 4 * WAYS]; buckets as usize], timeout }
    }

    pub(crate) fn buckets(&self) -> u32 {
        self.buckets.len() as u32
    }

    pub(crate) fn timeout(&self) -> u32 {
        self.timeout
    }

    /// Takes effect for entries as they are created or hit.
    pub(crate) fn set_timeout(&mut self, timeout: u32) {
        self.timeout = timeout;
    }

    /// Looks a flow up; a hit lives for another time-out.
    pub(crate) fn get(&mut self, hash: u32, vip: u32, now: u32) -> Hit {
        let timeout = self.timeout;
        let bucket = self.bucket(hash);
        let found = (0..WAYS)
            .find(|&way| alive(bucket[EXPIRY + way], now) && bucket[HASH + way] == hash && bucket[VIP + way] == vip);
        if let Some(way) = found {
            bucket[EXPIRY + way] = now.wrapping_add(timeout);
            if bucket[SERVER + way] != 0 {
                return Hit::Server(bucket[SERVER + way]);
            }
        }
        (0..WAYS).find(|&way| !alive(bucket[EXPIRY + way], now)).map_or(Hit::Full, Hit::Free)
    }

    /// Writes an entry and returns the AS slot that the expired one in its place named.
    pub(crate) fn put(&mut self, hash: u32, way: usize, vip: u32, server: u32, now: u32) -> u32 {
        let expiry = now.wrapping_add(self.timeout);
        let bucket = self.bucket(hash);
        let before = bucket[SERVER + way];
        bucket[HASH + way] = hash;
        bucket[EXPIRY + way] = expiry;
        bucket[VIP + way] = vip;
        bucket[SERVER + way] = server;
        before
    }

    /// Evicts the entries that `which` picks by VIP and AS slot, and returns the AS slots they named. Their places are not
    /// reused before they would have expired.
    pub(crate) fn evict(&mut self, which: impl Fn(u32, u32) -> bool) -> Vec<u32> {
        let mut evicted = Vec::new();
        for bucket in &mut self.buckets {
            for way in 0..WAYS {
                if which(bucket[VIP + way], bucket[SERVER + way]) {
                    evicted.push(bucket[SERVER + way]);
                    bucket[VIP + way] = u32::MAX;
                    bucket[SERVER + way] = 0;
                }
            }
        }
        evicted
    }

    /// The AS slots that all entries name, expired ones and empty places included.
    pub(crate) fn servers(&self) -> impl Iterator<Item = u32> {
        self.buckets.iter().flat_map(|bucket| bucket[SERVER..].iter().copied())
    }

    /// Entries that have not expired.
    pub(crate) fn live(&self, now: u32) -> usize {
        self.buckets
            .iter()
            .flat_map(|bucket| &bucket[EXPIRY..EXPIRY + WAYS])
            .filter(|&&expiry| alive(expiry, now))
            .count()
    }

    fn bucket(&mut self, hash: u32) -> &mut [u32; 4 * WAYS] {
        let mask = self.buckets.len() - 1;
        &mut self.buckets[hash as usize & mask]
    }
}

fn alive(expiry: u32, now: u32) -> bool {
    expiry as i32 > now as i32
}

const WAYS: usize = 4;
const HASH: usize = 0;
const EXPIRY: usize = WAYS;
const VIP: usize = 2 * WAYS;
const SERVER: usize = 3 * WAYS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_lives_for_a_timeout_after_its_last_packet() {
        let mut table = StickyTable::new(2, 10);
        assert_eq!(table.get(6, 1, 100), Hit::Free(0));
        assert_eq!(table.put(6, 0, 1, 9, 100), 0);
        assert_eq!(table.get(6, 1, 109), Hit::Server(9));
        assert_eq!(table.get(6, 1, 118), Hit::Server(9));
        assert_eq!(table.get(6, 1, 128), Hit::Free(0));
        assert_eq!(table.live(127), 1);
        assert_eq!(table.live(128), 0);
    }

    #[test]
    fn a_full_bucket_takes_no_more_and_an_evicted_place_waits_for_its_expiry() {
        let mut table = StickyTable::new(1, 10);
        for flow in 0..4 {
            let Hit::Free(way) = table.get(flow, 1, 100) else {
                panic!("no room for flow {flow}");
            };
            table.put(flow, way, 1, 5, 100);
        }
        assert_eq!(table.get(4, 1, 101), Hit::Full);
        assert_eq!(table.evict(|vip, server| vip == 1 && server == 5), [5, 5, 5, 5]);
        assert_eq!(table.get(0, 1, 101), Hit::Full);
        assert_eq!(table.get(0, 1, 110), Hit::Free(0));
    }

    #[test]
    fn an_entry_without_a_server_is_kept_alive_but_not_followed() {
        let mut table = StickyTable::new(1, 10);
        table.put(7, 0, 1, 0, 100);
        assert_eq!(table.get(7, 1, 105), Hit::Free(1));
        assert_eq!(table.live(114), 1);
    }
}
