//! A map from texts that is read in their order. Neighbours lie together in memory, so that who reads all of them does not wait
//! for each.

use std::cmp::Ordering;

/// What each text stands for, in the order of the texts.
pub(crate) struct Sorted<V> {
    /// In order; none is empty.
    pages: Vec<Page<V>>,
    len: usize,
}

/// Some texts that follow each other.
struct Page<V> {
    /// All of them, with nothing in between.
    texts: String,
    /// Where each one ends, and what it stands for. Small, as all of them are read with the texts.
    rows: Vec<(u32, V)>,
}

/// How many texts a page has at most, and how many bytes, unless one text alone has more: half of them are moved for a new one.
const FULL: usize = 512;
const BYTES: usize = 64 * 1024;

impl<V> Sorted<V> {
    pub(crate) const fn new() -> Self {
        Sorted { pages: Vec::new(), len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, text: &str) -> Option<&V> {
        let page = self.pages.get(self.page_of(text))?;
        page.rows.get(page.find(text).ok()?).map(|(_, value)| value)
    }

    /// Adds a text that is not there yet.
    pub(crate) fn insert(&mut self, text: &str, value: V) {
        self.len += 1;
        let number = self.page_of(text);
        let Some(page) = self.pages.get_mut(number) else { return self.pages.push(Page::of(text, value)) };
        let at = page.find(text).unwrap_or_else(|at| at);
        if page.has_room(1, text.len()) {
            return page.insert(at, text, value);
        }
        if at == 0 || at == page.len() {
            // Texts that come in their order leave full pages behind them.
            return self.pages.insert(number + at.min(1), Page::of(text, value));
        }
        let half = page.len() / 2;
        let mut upper = page.split_off(half);
        match at.checked_sub(half) {
            Some(at) => upper.insert(at, text, value),
            None => page.insert(at, text, value),
        }
        self.pages.insert(number + 1, upper);
    }

    pub(crate) fn remove(&mut self, text: &str) -> Option<V> {
        let number = self.page_of(text);
        let page = self.pages.get_mut(number)?;
        let value = page.remove(page.find(text).ok()?);
        self.len -= 1;
        if page.len() == 0 {
            self.pages.remove(number);
        }
        for number in [number, number.saturating_sub(1)] {
            if let Some([page, next]) = self.pages.get_mut(number..number + 2)
                && page.has_room(next.len(), next.texts.len())
            {
                page.append(next);
                self.pages.remove(number + 1);
            }
        }
        Some(value)
    }

    /// Some of those that come after `text`, the next ones; of all, if there is none. There are no more when there are none. Quick if
    /// `near` is the number of the page where `text` is, as it says afterwards of the last one.
    pub(crate) fn after(&self, text: Option<&str>, near: &mut usize) -> impl Iterator<Item = (&str, &V)> {
        let mut number = text.map_or(0, |text| self.page_near(text, *near));
        let mut skipped = 0;
        if let (Some(text), Some(page)) = (text, self.pages.get(number)) {
            skipped = page.find(text).map_or_else(|at| at, |at| at + 1);
            if skipped == page.len() {
                (number, skipped) = (number + 1, 0);
            }
        }
        *near = number;
        let page = self.pages.get(number);
        let (texts, rows) = page.map_or(("", &[][..]), |page| (&*page.texts, &*page.rows));
        let mut start = page.map_or(0, |page| page.start(skipped));
        rows.get(skipped..).unwrap_or_default().iter().map(move |(end, value)| {
            let text = texts.get(start..*end as usize).unwrap_or_default();
            start = *end as usize;
            (text, value)
        })
    }

    /// The same as [`page_of`](Self::page_of), without a search over pages that are in no cache if it is the one of number `near`.
    fn page_near(&self, text: &str, near: usize) -> usize {
        let begins = |number| self.pages.get(number).is_some_and(|page: &Page<V>| page.text(0) <= text);
        if begins(near) && !begins(near + 1) { near } else { self.page_of(text) }
    }

    /// The page where `text` is, or would be.
    fn page_of(&self, text: &str) -> usize {
        self.pages.partition_point(|page| page.text(0) <= text).saturating_sub(1)
    }
}

impl<V> Page<V> {
    fn of(text: &str, value: V) -> Self {
        Page { texts: text.to_owned(), rows: vec![(text.len() as u32, value)] }
    }

    const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether so many more texts, with so many bytes, can be here too.
    const fn has_room(&self, texts: usize, bytes: usize) -> bool {
        self.len() + texts <= FULL && self.texts.len() + bytes <= BYTES
    }

    fn start(&self, at: usize) -> usize {
        at.checked_sub(1).map_or(0, |before| self.rows[before].0 as usize)
    }

    fn text(&self, at: usize) -> &str {
        &self.texts[self.start(at)..self.rows[at].0 as usize]
    }

    /// Where `text` is, or where it would be.
    fn find(&self, text: &str) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            match self.text(middle).cmp(text) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    fn insert(&mut self, at: usize, text: &str, value: V) {
        let start = self.start(at);
        self.texts.insert_str(start, text);
        self.rows.insert(at, (start as u32, value));
        self.rows[at..].iter_mut().for_each(|(end, _)| *end += text.len() as u32);
    }

    fn remove(&mut self, at: usize) -> V {
        let start = self.start(at);
        let (end, value) = self.rows.remove(at);
        self.texts.replace_range(start..end as usize, "");
        self.rows[at..].iter_mut().for_each(|(later, _)| *later -= end - start as u32);
        value
    }

    fn split_off(&mut self, at: usize) -> Self {
        let start = self.start(at);
        let mut rows = self.rows.split_off(at);
        rows.iter_mut().for_each(|(end, _)| *end -= start as u32);
        let texts = self.texts.split_off(start);
        // It may well stay as it is.
        self.texts.shrink_to_fit();
        self.rows.shrink_to_fit();
        Page { texts, rows }
    }

    fn append(&mut self, next: &mut Self) {
        let start = self.texts.len() as u32;
        self.texts.push_str(&next.texts);
        self.rows.extend(next.rows.drain(..).map(|(end, value)| (end + start, value)));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn every(sorted: &Sorted<u64>) -> Vec<(String, u64)> {
        let (mut every, mut near): (Vec<(String, u64)>, _) = (Vec::new(), 0);
        loop {
            let before = every.len();
            let last = every.last().map(|(text, _)| text.clone());
            every.extend(sorted.after(last.as_deref(), &mut near).map(|(text, value)| (text.to_owned(), *value)));
            if every.len() == before {
                return every;
            }
        }
    }

    /// Puts texts in and takes them out at random, and asks a map of the standard library what is right.
    #[test]
    fn it_holds_what_a_map_holds_in_the_same_order() {
        let mut state = 7_u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let (mut sorted, mut map) = (Sorted::new(), BTreeMap::new());
        // It grows, stays, is emptied and grows again.
        for (steps, inserts) in [(6_000, 9), (6_000, 5), (20_000, 1), (3_000, 9)] {
            for step in 0..steps {
                let text = format!("é{}", random(5_000));
                if random(10) >= inserts {
                    assert_eq!(sorted.remove(&text), map.remove(&text));
                } else if sorted.get(&text).is_none() {
                    sorted.insert(&text, step);
                    map.insert(text, step);
                }
            }
            assert_eq!(sorted.len(), map.len());
            assert_eq!(every(&sorted), map.iter().map(|(text, value)| (text.clone(), *value)).collect::<Vec<_>>());
            for at in 0..5_000 {
                let text = format!("é{at}");
                assert_eq!(sorted.get(&text), map.get(&text));
                let next = map.range(text.clone()..).find(|(found, _)| **found != text);
                assert_eq!(
                    sorted.after(Some(&text), &mut (at % 60)).next(),
                    next.map(|(text, value)| (text.as_str(), value))
                );
            }
        }
        for text in map.keys() {
            assert!(sorted.remove(text).is_some());
        }
        assert!(sorted.pages.is_empty());
    }

    #[test]
    fn long_texts_have_pages_of_their_own() {
        let (mut sorted, long) = (Sorted::new(), "x".repeat(BYTES));
        let texts: Vec<String> = [5, 1, 3, 2, 4, 0].map(|number| format!("{number}{long}")).into();
        texts.iter().for_each(|text| sorted.insert(text, u64::from(text.as_bytes()[0])));
        sorted.insert("15", 7);
        assert_eq!(every(&sorted).iter().map(|(_, value)| *value).collect::<Vec<_>>(), [48, 7, 49, 50, 51, 52, 53]);
        assert!(texts.iter().all(|text| sorted.remove(text).is_some()));
        assert_eq!((every(&sorted), sorted.pages.len()), (vec![("15".to_owned(), 7)], 1));
    }

    #[test]
    fn pages_are_filled_whatever_the_order() {
        let mut ascending = Sorted::new();
        (1_000..3_000).for_each(|number| ascending.insert(&number.to_string(), ()));
        assert_eq!(ascending.pages.len(), 2_000_usize.div_ceil(FULL));
        let mut descending = Sorted::new();
        (1_000..3_000).rev().for_each(|number| descending.insert(&number.to_string(), ()));
        assert_eq!(descending.pages.len(), 2_000_usize.div_ceil(FULL));
        (1_000..2_990).for_each(|number| assert!(descending.remove(&number.to_string()).is_some()));
        assert_eq!(descending.pages.len(), 1);
    }
}
