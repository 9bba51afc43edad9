//! How series are found by the texts of their labels.

use super::*;

#[test]
fn texts_that_differ_in_one_byte_anywhere_are_series_of_their_own() {
    #[derive(LabelValue)]
    #[label(max = 100)]
    struct Long(String);
    #[derive(LabelSet)]
    struct Labels {
        text: Long,
    }
    #[derive(MetricSet)]
    struct Texts {
        /// Texts of forty bytes.
        texts_total: Counter<Labels>,
    }
    let set = Texts::new();
    for _ in 0..2 {
        for at in 0..40 {
            let text = (0..40).map(|here| if here == at { 'b' } else { 'a' }).collect();
            set.texts_total.with(Labels { text: Long(text) }).inc();
        }
    }
    let text = text_of(&set);
    let lines = lines(&text, "texts_total");
    assert_eq!(lines.len(), 40);
    assert!(lines.iter().all(|line| line.ends_with(" 2")), "{lines:?}");
}

#[test]
fn series_of_texts_of_any_length_are_found_again_also_where_they_went_and_came_back() {
    #[derive(LabelValue)]
    #[label(max = 100)]
    struct Text(String);
    #[derive(LabelSet)]
    struct Labels {
        text: Text,
        more: Text,
    }
    #[derive(MetricSet)]
    struct Texts {
        /// Texts of all lengths.
        texts_total: Counter<Labels>,
    }
    let set = Texts::new();
    let labels = |length| Labels { text: Text("a".repeat(length)), more: Text("b".repeat(70 - length)) };
    let count = || (0..=70).for_each(|length| set.texts_total.with(labels(length)).inc());
    let counts = || {
        let text = text_of(&set);
        lines(&text, "texts_total").iter().map(|line| line.rsplit(' ').next().map(str::to_owned)).collect::<Vec<_>>()
    };
    (0..3).for_each(|_| count());
    assert_eq!(counts(), vec![Some(String::from("3")); 71]);
    assert!((0..=70).all(|length| set.texts_total.remove(&labels(length))));
    (0..2).for_each(|_| count());
    assert_eq!(counts(), vec![Some(String::from("2")); 71]);
}

#[test]
fn texts_of_the_program_are_one_series_wherever_they_are_and_only_if_they_are_equal() {
    #[derive(LabelValue)]
    #[label(max = 100)]
    struct Fixed(&'static str);
    #[derive(LabelSet)]
    struct Labels {
        text: Fixed,
        more: Fixed,
    }
    #[derive(MetricSet)]
    struct Texts {
        /// Texts that stay where they are.
        fixed_total: Counter<Labels>,
        /// The same, whose numbers are in no lane.
        fixed_level: Gauge<Labels>,
    }
    let set = Texts::new();
    let long: &'static str = "agents/logs";
    let (short, twin): (_, &'static str) = (&long[..6], String::from(long).leak());
    let labels = |text, more| Labels { text: Fixed(text), more: Fixed(more) };
    let seen = || {
        for text in [long, twin, short, long, twin] {
            set.fixed_total.with(labels(text, "a")).inc();
            set.fixed_level.with(labels(text, "a")).add(1.0);
        }
        set.fixed_total.with(labels("a", long)).inc();
    };
    seen();
    std::thread::scope(|scope| {
        scope.spawn(seen);
    });
    assert_eq!(
        lines(&text_of(&set), "fixed_total"),
        [
            "fixed_total{text=\"a\",more=\"agents/logs\"} 2",
            "fixed_total{text=\"agents\",more=\"a\"} 2",
            "fixed_total{text=\"agents/logs\",more=\"a\"} 8",
        ]
    );
    // It was made with the other of the two texts.
    assert!(set.fixed_total.remove(&labels(twin, "a")) && set.fixed_level.remove(&labels(twin, "a")));
    set.fixed_total.with(labels(twin, "a")).inc();
    seen();
    let text = text_of(&set);
    assert!(text.contains("fixed_total{text=\"agents/logs\",more=\"a\"} 5\n"), "{text}");
    assert!(text.contains("fixed_level{text=\"agents/logs\",more=\"a\"} 4\n"), "{text}");
}
