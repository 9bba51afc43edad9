//! What someone has typed so far is rarely whole: no input makes a macro panic, or takes it long.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::quote;

use crate::snapshots::inputs;

/// How many streams a run makes. A long run is `OBS_FUZZ=1000000 cargo test -p obs-macros --release fuzz`.
const STREAMS: usize = 4_000;

/// What is put in where something else stood.
const WORDS: &str = "async fn impl trait const unsafe extern self Self crate mut ref where dyn struct enum union pub \
    observed correlated skip late name level target kind err ret metrics slow parent root links audit future stream \
    user_id agent_id record transparent classify label metric max buckets to initial terminal \
    carrier correlated outbound trust headers HeaderMap read_only flatten prefix ttl rename rename_all \
    # ! ? % = , ; : :: . .. -> => < > & * | \"warn\" \"\" \"250ms\" 'c' 7 1.5 1e9 b\"x\" r#type _ 'a \u{e9}t\u{e9} \
    (a) [b] {c} () [] {} #[observed] #[cfg(x)] #[classify(kind = \"k\")] #[label(max = 3)] #[carrier] #[correlated(outbound)]";

/// A small generator: the same streams in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or(0)
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Everything that a user can make the compiler call.
fn expand_all(args: &TokenStream, item: &TokenStream) {
    type Attribute = fn(TokenStream, TokenStream) -> syn::Result<TokenStream>;
    type Other = fn(TokenStream) -> syn::Result<TokenStream>;
    const ATTRIBUTES: [(&str, Attribute); 2] =
        [("observed", crate::observed::expand), ("correlated", crate::correlated::expand)];
    const DERIVES: [(&str, Other); 6] = [
        ("Carrier", crate::carrier::expand),
        ("Classify", crate::classify::expand),
        ("LabelSet", crate::label_set::expand),
        ("LabelValue", crate::label_value::expand),
        ("MetricSet", crate::metric_set::expand),
        ("StateMachine", crate::state_machine::expand),
    ];
    const CALLS: [(&str, Other); 2] = [("record!", crate::record::expand), ("observe!", crate::observe::expand)];
    let with = |name: &str, expand: &dyn Fn() -> syn::Result<TokenStream>| {
        let begun = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(expand));
        let what = || format!("{name} with `{args}` on `{item}`");
        let Ok(result) = result else { panic!("{} panics", what()) };
        if let Err(error) = result {
            assert!(!error.to_string().is_empty(), "{} says nothing", what());
        }
        // Where others keep the machine busy, once more.
        let again = || {
            let begun = Instant::now();
            let _ = expand();
            begun.elapsed()
        };
        let takes = begun.elapsed();
        let second = Duration::from_secs(1);
        assert!(takes < second || again() < second || again() < second, "{} takes {takes:?}", what());
    };
    for (name, expand) in ATTRIBUTES {
        with(name, &|| expand(args.clone(), item.clone()));
    }
    for (name, expand) in DERIVES {
        with(name, &|| expand(item.clone()));
    }
    for (name, expand) in CALLS {
        with(name, &|| expand(quote!(obs_runtime; #args)));
        with(name, &|| expand(item.clone()));
    }
}

/// What the snapshots are made of: the parentheses of the attribute, and the item.
fn corpus() -> Vec<(TokenStream, TokenStream)> {
    let folders = [
        "carrier",
        "classify",
        "correlated",
        "label_set",
        "label_value",
        "metric_set",
        "observe",
        "observed",
        "record",
        "state_machine",
    ];
    let files = folders.into_iter().flat_map(inputs);
    files
        .map(|path| {
            let text = std::fs::read_to_string(path).expect("the snapshot's input");
            split(text.parse().expect("tokens"))
        })
        .collect()
}

/// Takes the parentheses of the first attribute, or of the call, off the rest.
fn split(tokens: TokenStream) -> (TokenStream, TokenStream) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let args = trees.iter().find_map(|tree| match tree {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => Some(group.stream()),
        TokenTree::Group(group) => group.stream().into_iter().find_map(|tree| match tree {
            TokenTree::Group(args) => Some(args.stream()),
            _ => None,
        }),
        _ => None,
    });
    let is_attribute = matches!(&trees[..], [TokenTree::Punct(hash), ..] if hash.as_char() == '#');
    let item = if is_attribute { trees[2..].iter().cloned().collect() } else { trees.into_iter().collect() };
    (args.unwrap_or_default(), item)
}

/// Changes one thing somewhere in `tokens`: takes it away, says it twice, puts something else there, cuts off what follows.
fn mutated(tokens: &TokenStream, words: &[TokenTree], others: &[TokenStream], random: &mut Random) -> TokenStream {
    let mut trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    if trees.is_empty() {
        return random.one(words).clone().into();
    }
    let at = random.below(trees.len());
    if let TokenTree::Group(group) = &trees[at]
        && random.below(4) != 0
    {
        let delimiters = [Delimiter::Parenthesis, Delimiter::Bracket, Delimiter::Brace, Delimiter::None];
        let delimiter = if random.below(16) == 0 { *random.one(&delimiters) } else { group.delimiter() };
        trees[at] = Group::new(delimiter, mutated(&group.stream(), words, others, random)).into();
        return trees.into_iter().collect();
    }
    match random.below(7) {
        0 => drop(trees.remove(at)),
        1 => trees.truncate(at),
        2 => trees.insert(at, trees[at].clone()),
        3 => trees.insert(at, random.one(words).clone()),
        4 => trees[at] = random.one(words).clone(),
        5 => {
            let other = random.below(trees.len());
            trees.swap(at, other);
        }
        _ => drop(trees.splice(at..at, random.one(others).clone())),
    }
    trees.into_iter().collect()
}

#[test]
fn mutated_code_is_an_error_and_never_a_panic() {
    let corpus = corpus();
    let words: TokenStream = WORDS.parse().expect("tokens");
    let words: Vec<TokenTree> = words.into_iter().collect();
    let others: Vec<TokenStream> = corpus.iter().flat_map(|(args, item)| [args.clone(), item.clone()]).collect();
    let streams = std::env::var("OBS_FUZZ").ok().and_then(|count| count.parse().ok()).unwrap_or(STREAMS);
    let mut random = Random(0x0b5e_12ed_5eed);
    for _ in 0..streams {
        let (mut args, mut item) = random.one(&corpus).clone();
        for _ in 0..=random.below(4) {
            if random.below(3) == 0 {
                args = mutated(&args, &words, &others, &mut random);
            } else {
                item = mutated(&item, &words, &others, &mut random);
            }
        }
        expand_all(&args, &item);
    }
}

/// Each input again, with each of its tokens left out, and cut off there.
#[test]
fn half_written_code_is_an_error_and_never_a_panic() {
    for (args, item) in corpus() {
        for item in broken(&item) {
            expand_all(&args, &item);
        }
        for args in broken(&args) {
            expand_all(&args, &item);
        }
    }
}

/// `tokens` with one token left out, or cut off before it, at every depth.
fn broken(tokens: &TokenStream) -> Vec<TokenStream> {
    let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let mut variants = Vec::new();
    for (at, tree) in trees.iter().enumerate() {
        let before = &trees[..at];
        let after = &trees[at + 1..];
        variants.push(before.iter().cloned().collect());
        variants.push(before.iter().chain(after).cloned().collect());
        if let TokenTree::Group(group) = tree {
            variants.extend(broken(&group.stream()).into_iter().map(|inside| {
                let inside = TokenTree::from(Group::new(group.delimiter(), inside));
                before.iter().cloned().chain([inside]).chain(after.iter().cloned()).collect()
            }));
        }
    }
    variants
}

/// The items that a user is told nothing about are kept: their callers still resolve.
#[test]
fn an_item_survives_the_mistakes_of_its_attribute() {
    for (_, item) in corpus() {
        let Ok(syn::Item::Fn(func)) = syn::parse2(item.clone()) else { continue };
        let expanded =
            crate::observed::expand(quote!(nosuch, levl = "debug", late), item).expect("errors beside the item");
        let file: syn::File = syn::parse2(expanded).expect("items");
        let kept = file.items.iter().any(|item| matches!(item, syn::Item::Fn(kept) if kept.sig == func.sig));
        assert!(kept, "`{}` is gone", func.sig.ident);
    }
}
