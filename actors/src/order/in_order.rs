//! Looking up many keys in their order.

use std::cmp::Ordering;
use std::iter::Peekable;

/// Entries in the order of their keys, and how far they have been gone through: each look-up goes on where the one before it ended. A
/// thousand of them cost one walk over the entries.
pub(crate) struct InOrder<I: Iterator>(Peekable<I>);

impl<'a, K: Ord + 'a, V, I: Iterator<Item = (&'a K, V)>> InOrder<I> {
    pub(crate) fn new(entries: impl IntoIterator<IntoIter = I>) -> Self {
        Self(entries.into_iter().peekable())
    }

    /// What is there under that key, which is above all that were asked for before.
    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        loop {
            match self.0.peek()?.0.cmp(key) {
                Ordering::Less => drop(self.0.next()),
                Ordering::Equal => return self.0.next().map(|(_, found)| found),
                Ordering::Greater => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_look_up_goes_on_where_the_one_before_it_ended() {
        let entries = [(1, "a"), (3, "c"), (4, "d"), (7, "g")];
        let mut in_order = InOrder::new(entries.iter().map(|(key, found)| (key, *found)));
        let found: Vec<Option<&str>> = [0, 1, 2, 4, 6, 7, 8].iter().map(|key| in_order.get(key)).collect();
        assert_eq!(found, [None, Some("a"), None, Some("d"), None, Some("g"), None]);
    }
}
