//! Series that are shown in the order of their labels and added up in the order of the lanes.

use crate::metrics::lanes::{Place, Reading};
use crate::metrics::sorted::Sorted;

/// The series of one metric, with where their numbers lie.
pub(crate) struct Roll<S> {
    /// By the labels as they are written: equal for equal tuples and for no others, as quotes are escaped.
    numbers: Sorted<u32>,
    /// By number, as they came. One that is gone leaves a gap, which the next one fills.
    series: Vec<Option<S>>,
    /// By number, too: what [`Place::pack`] makes of its place, or 0.
    places: Vec<u64>,
    gaps: Vec<usize>,
    /// How many gaps were filled until now.
    filled: u64,
}

/// What each series of a roll counts, by number. It is of no use once a gap is filled: the number is another one's then.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    sums: Vec<u64>,
    filled: u64,
}

/// So many series are added up at a time.
const BLOCK: usize = 512;

impl<S: Clone> Roll<S> {
    pub(crate) const fn new() -> Self {
        Roll { numbers: Sorted::new(), series: Vec::new(), places: Vec::new(), gaps: Vec::new(), filled: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(crate) fn get(&self, labels: &str) -> Option<(S, Option<Place>)> {
        self.at(*self.numbers.get(labels)? as usize).map(|(series, place)| (series.clone(), place))
    }

    /// Adds a series whose labels are not there yet.
    pub(crate) fn insert(&mut self, labels: &str, series: S, place: Option<Place>) {
        let place = place.map_or(0, Place::pack);
        let number = match self.gaps.pop() {
            Some(gap) => {
                self.filled += 1;
                (self.series[gap], self.places[gap]) = (Some(series), place);
                gap
            }
            None => {
                self.series.push(Some(series));
                self.places.push(place);
                self.series.len() - 1
            }
        };
        self.numbers.insert(labels, number as u32);
    }

    pub(crate) fn remove(&mut self, labels: &str) -> Option<(S, Option<Place>)> {
        let number = self.numbers.remove(labels)? as usize;
        let (series, place) = (self.series[number].take(), std::mem::take(&mut self.places[number]));
        self.gaps.push(number);
        Some((series?, unpack(place)))
    }

    /// Every series, in no order that means anything.
    pub(crate) fn every(&self) -> impl Iterator<Item = (&S, Option<Place>)> {
        let both = self.series.iter().zip(&self.places);
        both.filter_map(|(series, place)| Some((series.as_ref()?, unpack(*place))))
    }

    /// The next few series after the one of these labels, or of all, in their order: labels and number.
    #[inline]
    pub(crate) fn after(&self, labels: Option<&str>, near: &mut usize) -> impl Iterator<Item = (&str, usize)> {
        self.numbers.after(labels, near).map(|(labels, number)| (labels, *number as usize))
    }

    /// The series of this number.
    #[inline]
    pub(crate) fn at(&self, number: usize) -> Option<(&S, Option<Place>)> {
        Some((self.series.get(number)?.as_ref()?, unpack(*self.places.get(number)?)))
    }

    /// Adds up a few more series; says whether there were any. Where each has one word only.
    pub(crate) fn add_up(&self, reading: &Reading, known: &mut Sums) -> bool {
        let Sums { sums, filled } = known;
        if sums.is_empty() {
            *filled = self.filled;
            sums.reserve_exact(self.places.len());
        }
        let Some(block) = self.places.get(sums.len()..).and_then(|rest| rest.chunks(BLOCK).next()) else {
            return false;
        };
        reading.sums(block, sums);
        true
    }

    /// What the series of this number counts, which is known already if it was there when they were added up.
    #[inline]
    pub(crate) fn sum(&self, number: usize, known: &Sums, reading: &Reading) -> u64 {
        match known.sums.get(number) {
            Some(sum) if known.filled == self.filled => *sum,
            _ => self
                .places
                .get(number)
                .and_then(|place| unpack(*place))
                .map_or(0, |place| reading.totals::<1>(place)[0]),
        }
    }
}

fn unpack(place: u64) -> Option<Place> {
    (place != 0).then(|| Place::unpack(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::lanes;

    fn insert(roll: &mut Roll<&'static str>, labels: &'static str, count: u64) -> Place {
        let place = lanes::take(1).expect("a place");
        place.add(1, 0, count);
        roll.insert(labels, labels, Some(place));
        place
    }

    fn shown(roll: &Roll<&'static str>, known: &Sums) -> Vec<(String, u64)> {
        let reading = Reading::now();
        roll.after(None, &mut 0)
            .map(|(labels, number)| (labels.to_owned(), roll.sum(number, known, &reading)))
            .collect()
    }

    #[test]
    fn a_series_that_comes_and_goes_while_others_are_shown_never_has_the_count_of_another() {
        let mut roll = Roll::new();
        for (labels, count) in [("b", 2), ("c", 3), ("a", 1)] {
            insert(&mut roll, labels, count);
        }
        let mut known = Sums::default();
        while roll.add_up(&Reading::now(), &mut known) {}
        insert(&mut roll, "d", 4);
        assert_eq!(shown(&roll, &known), [("a", 1), ("b", 2), ("c", 3), ("d", 4)].map(|(l, n)| (l.to_owned(), n)));
        let (removed, place) = roll.remove("c").expect("it is there");
        lanes::give_back(place.expect("it has one"), 1);
        assert_eq!((removed, roll.len()), ("c", 3));
        assert_eq!(shown(&roll, &known), [("a", 1), ("b", 2), ("d", 4)].map(|(l, n)| (l.to_owned(), n)));
        let place = insert(&mut roll, "aa", 7);
        assert_eq!(shown(&roll, &known), [("a", 1), ("aa", 7), ("b", 2), ("d", 4)].map(|(l, n)| (l.to_owned(), n)));
        assert_eq!(roll.get("aa"), Some(("aa", Some(place))));
        assert_eq!(roll.every().count(), 4);
    }
}
