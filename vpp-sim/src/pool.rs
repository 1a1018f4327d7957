//! VPP's pool: numbered slots whose freed ones are handed out again, last freed first, with what was in them left in place.

/// A pool of `T`. Slot numbers are what VPP shows as pool indices.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool<T> {
    slots: Vec<T>,
    in_use: Vec<bool>,
    free: Vec<u32>,
}

impl<T: Default> Pool<T> {
    /// Takes a slot (`pool_get`). Its contents are what the last owner left, or the default in a slot never used.
    pub(crate) fn take(&mut self) -> (u32, &mut T) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(T::default());
            self.in_use.push(false);
            (self.slots.len() - 1) as u32
        });
        self.in_use[index as usize] = true;
        (index, &mut self.slots[index as usize])
    }
}

impl<T> Pool<T> {
    /// Gives a slot back (`pool_put`).
    ///
    /// # Panics
    /// If the slot is not taken: a bug here, no input can cause it.
    pub(crate) fn put(&mut self, index: u32) {
        assert!(self.in_use[index as usize], "slot {index} freed twice");
        self.in_use[index as usize] = false;
        self.free.push(index);
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        let at = index as usize;
        (*self.in_use.get(at)?).then(|| &self.slots[at])
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let at = index as usize;
        (*self.in_use.get(at)?).then(|| &mut self.slots[at])
    }

    /// The slot whether taken or not: VPP writes into slots it has just freed.
    ///
    /// # Panics
    /// If there was never such a slot.
    pub(crate) fn raw_mut(&mut self, index: u32) -> &mut T {
        &mut self.slots[index as usize]
    }

    /// Slots taken.
    pub(crate) fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The taken slots in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.slots
            .iter()
            .zip(&self.in_use)
            .enumerate()
            .filter(|&(_, (_, &in_use))| in_use)
            .map(|(at, (slot, _))| (at as u32, slot))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        self.slots
            .iter_mut()
            .zip(&self.in_use)
            .enumerate()
            .filter(|&(_, (_, &in_use))| in_use)
            .map(|(at, (slot, _))| (at as u32, slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_freed_last_is_taken_first_and_keeps_its_contents() {
        let mut pool = Pool::<u8>::default();
        for value in 0..4 {
            *pool.take().1 = value;
        }
        pool.put(1);
        pool.put(2);
        assert_eq!(pool.iter().map(|(index, _)| index).collect::<Vec<_>>(), [0, 3]);
        assert_eq!(pool.get(2), None);
        let (index, stale) = pool.take();
        assert_eq!((index, *stale), (2, 2));
        assert_eq!(pool.take().0, 1);
        assert_eq!(pool.take().0, 4);
        assert_eq!(pool.count(), 5);
    }
}
