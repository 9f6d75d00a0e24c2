//! A list whose items are found by their key.

use indexmap::IndexMap;
use serde::{Serialize, Serializer};
use std::hash::Hash;
use std::ops::Index;

/// Items in the order in which they came, each found by its key without a search. In JSON it is a list.
#[derive(Debug, Clone)]
pub struct Keyed<K, V>(IndexMap<K, V>);

impl<K, V> Default for Keyed<K, V> {
    fn default() -> Self {
        Self(IndexMap::new())
    }
}

impl<K, V> Keyed<K, V> {
    /// The items, in order.
    pub fn iter(&self) -> indexmap::map::Values<'_, K, V> {
        self.0.values()
    }

    /// The items, in order, to be changed.
    pub fn values_mut(&mut self) -> indexmap::map::ValuesMut<'_, K, V> {
        self.0.values_mut()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Hash + Eq, V> Keyed<K, V> {
    /// The item with this key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }

    /// The item with this key, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(key)
    }

    /// The item with this key; if there is none, `new`, right behind the item `before`, or at the end.
    pub fn entry_behind(&mut self, key: K, before: Option<&K>, new: impl FnOnce() -> V) -> &mut V {
        let at = self.0.get_index_of(&key).unwrap_or_else(|| {
            let before = before.and_then(|before| self.0.get_index_of(before));
            let at = before.map_or(self.0.len(), |at| at + 1);
            self.0.shift_insert(at, key, new());
            at
        });
        &mut self.0[at]
    }
}

impl<K, V> Index<usize> for Keyed<K, V> {
    type Output = V;

    fn index(&self, at: usize) -> &V {
        &self.0[at]
    }
}

impl<'a, K, V> IntoIterator for &'a Keyed<K, V> {
    type Item = &'a V;
    type IntoIter = indexmap::map::Values<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: Hash + Eq, V> FromIterator<(K, V)> for Keyed<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl<K, V: Serialize> Serialize for Keyed<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}
