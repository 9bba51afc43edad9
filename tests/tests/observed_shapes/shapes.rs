use std::borrow::Cow;
use std::cell::{Ref, RefCell};
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use super::*;

#[derive(Clone)]
struct Shelf<T, const N: usize> {
    id: u8,
    items: Vec<T>,
}

impl<T: Clone + Display, const N: usize> Shelf<T, N> {
    const NAME: &'static str = "shelf";

    #[observed(id = self.id, of = Self::NAME, n = N)]
    fn by_reference(&self) -> usize {
        self.items.len() + N
    }

    #[observed]
    fn by_mutable_reference(&mut self, item: T) -> &mut T {
        self.items.push(item);
        let last = self.items.len() - 1;
        &mut self.items[last]
    }

    #[observed(id = self.id)]
    fn by_value(mut self) -> Self {
        self.id += 1;
        self
    }

    #[observed(id = self.id)]
    fn by_box(self: Box<Self>) -> u8 {
        self.id
    }

    #[observed(id = self.id)]
    fn by_rc(self: Rc<Self>) -> u8 {
        self.id
    }

    #[observed(id = self.id)]
    async fn by_arc(self: Arc<Self>) -> u8 {
        self.id
    }

    #[observed(id = self.id)]
    fn by_pin(self: Pin<&mut Self>) -> u8 {
        self.id
    }

    #[observed(id = self.id)]
    async fn by_mutable_reference_async(&mut self, item: T) -> &T {
        self.items.push(item);
        std::future::ready(()).await;
        self.items.last().expect("an item")
    }

    #[observed(id = self.id)]
    async fn by_value_async(mut self, by: u8) -> Self {
        self.id += by;
        self
    }
}

#[test]
fn every_receiver_is_observed() {
    let shelf = || Shelf::<u8, 3> { id: 7, items: vec![1] };
    let seen = capture(|| {
        assert_eq!(shelf().by_reference(), 4);
        assert_eq!(*shelf().by_mutable_reference(2), 2);
        assert_eq!(shelf().by_value().id, 8);
        assert_eq!(Box::new(shelf()).by_box(), 7);
        assert_eq!(Rc::new(shelf()).by_rc(), 7);
        assert_eq!(now(Arc::new(shelf()).by_arc()), 7);
        assert_eq!(pin!(shelf()).by_pin(), 7);
        assert_eq!(*now(shelf().by_mutable_reference_async(9)), 9);
        assert_eq!(now(shelf().by_value_async(2)).id, 9);
    });
    assert_eq!(
        spans(&seen),
        "by_reference{id=7,of=\"shelf\",n=3} ok\nby_mutable_reference{} ok\nby_value{id=7} ok\nby_box{id=7} ok\n\
         by_rc{id=7} ok\nby_arc{id=7} ok\nby_pin{id=7} ok\nby_mutable_reference_async{id=7} ok\n\
         by_value_async{id=7} ok"
    );
}

trait Store {
    fn get(&self, key: &str) -> Option<u8>;

    #[observed(key)]
    fn or_zero(&self, key: &str) -> u8 {
        self.get(key).unwrap_or_default()
    }

    fn put(&mut self, value: u8) -> impl Future<Output = u8> + Send;

    #[observed]
    #[allow(async_fn_in_trait)]
    async fn count(&self) -> usize {
        1
    }
}

impl Store for u8 {
    #[observed(key)]
    fn get(&self, key: &str) -> Option<u8> {
        (key == "there").then_some(*self)
    }

    #[observed]
    async fn put(&mut self, value: u8) -> u8 {
        std::mem::replace(self, value)
    }

    #[observed]
    async fn count(&self) -> usize {
        2
    }
}

#[test]
fn methods_of_traits_are_observed() {
    let seen = capture(|| {
        let mut store = 4;
        assert_eq!((store.or_zero("there"), store.or_zero("gone")), (4, 0));
        assert_eq!((now(store.put(5)), store, now(store.count())), (4, 5, 2));
    });
    assert_eq!(
        spans(&seen),
        "get{key=\"there\"} ok\nor_zero{key=\"there\"} ok\nget{key=\"gone\"} ok\nor_zero{key=\"gone\"} ok\n\
         put{} ok\ncount{} ok"
    );
}

#[observed(key)]
fn borrowed<'a, K, V>(map: &'a HashMap<K, V>, key: &K) -> Option<&'a V>
where
    K: Eq + Hash + Display,
{
    map.get(key)
}

#[observed]
fn mutable<'a>(slice: &'a mut [u8], _unused: &str) -> &'a mut u8 {
    &mut slice[0]
}

#[observed]
fn cow(text: &str) -> Cow<'_, str> {
    text.into()
}

#[observed]
fn cell(cell: &RefCell<u8>) -> Ref<'_, u8> {
    cell.borrow()
}

#[observed]
async fn borrowed_async<'a>(slice: &'a mut [u8], at: &usize) -> Option<&'a mut u8> {
    slice.get_mut(*at)
}

#[test]
fn what_is_borrowed_may_be_returned() {
    let map = HashMap::from([(1, "one")]);
    assert_eq!(borrowed(&map, &1), Some(&"one"));
    let mut bytes = [1, 2];
    *mutable(&mut bytes, "") += 1;
    *now(borrowed_async(&mut bytes, &1)).expect("a byte") += 1;
    assert_eq!(bytes, [2, 3]);
    assert_eq!(cow("text"), "text");
    assert_eq!(*cell(&RefCell::new(3)), 3);
}

#[observed(text, %list)]
fn unnamed_types(text: &(impl Display + ?Sized), list: impl Display) -> impl Iterator<Item = String> {
    vec![text.to_string(), list.to_string()].into_iter()
}

#[observed]
fn fallible_unnamed(fail: bool) -> Result<impl Display, Box<dyn std::error::Error>> {
    if fail {
        return Err("no display".into());
    }
    Ok(1)
}

#[observed(text)]
async fn unnamed_types_async(text: impl Display) -> impl Display {
    text.to_string()
}

#[observed]
#[allow(clippy::ptr_arg)]
fn coerced(items: &Vec<u8>) -> Option<&[u8]> {
    Some(items)
}

#[observed]
fn inferred(text: &str) -> Result<Vec<u8>, std::num::ParseIntError> {
    text.split(',').map(str::parse).collect()
}

#[test]
fn return_types_are_inferred_and_coerced_as_ever() {
    let seen = capture(|| {
        assert_eq!(unnamed_types("a", 1).collect::<String>(), "a1");
        assert_eq!(fallible_unnamed(false).map(|shown| shown.to_string()).ok().as_deref(), Some("1"));
        assert!(fallible_unnamed(true).is_err());
        assert_eq!(now(unnamed_types_async(2)).to_string(), "2");
        assert_eq!(coerced(&vec![1]), Some(&[1][..]));
        assert_eq!(inferred("1,2").ok(), Some(vec![1, 2]));
    });
    assert_eq!(seen.spans().iter().filter(|span| span.outcome == Some(obs_runtime::Ended::Error)).count(), 1);
    assert!(spans(&seen).starts_with("unnamed_types{text=\"a\",list=\"1\"} ok"));
}

#[observed(n)]
fn recursive(n: u8) -> u8 {
    if n == 0 { 0 } else { n + recursive(n - 1) }
}

#[observed(n)]
async fn recursive_async(n: u8) -> u8 {
    if n == 0 { 0 } else { n + Box::pin(recursive_async(n - 1)).await }
}

#[test]
fn recursion_nests_spans() {
    let seen = capture(|| recursive(3) + now(recursive_async(3)));
    assert_eq!(seen.value, 12);
    let spans = seen.spans();
    assert_eq!(spans.len(), 8);
    for (child, parent) in (0..3).chain(4..7).map(|at| (at, at + 1)) {
        assert_eq!(spans[child].parent_id, Some(spans[parent].span_id));
    }
}

macro_rules! service {
    ($vis:vis $name:ident($argument:ident: $ty:ty) -> $ret:ty $body:block) => {
        #[observed($argument, doubled = $argument * 2)]
        $vis fn $name($argument: $ty) -> $ret $body
    };
}

service!(pub(crate) from_a_macro(size: u64) -> u64 { size + 1 });

#[test]
fn a_function_made_by_a_macro_is_observed() {
    assert_eq!(spans(&capture(|| from_a_macro(1))), "from_a_macro{size=1,doubled=2} ok");
}

#[observed(a)]
extern "C" fn foreign(a: u8) -> u8 {
    a
}

#[test]
fn qualifiers_stay() {
    let function: extern "C" fn(u8) -> u8 = foreign;
    assert_eq!(spans(&capture(|| function(1))), "foreign{a=1} ok");
}

struct Ledger {
    shard: u8,
}

#[observed(user_id, shard = self.shard, level = "debug")]
impl Ledger {
    const SIZE: usize = 1;

    fn open(shard: u8) -> Self {
        Self { shard }
    }

    async fn add(&self, user_id: &str) -> usize {
        user_id.len() + Self::SIZE
    }

    #[observed(name = "ledger.close", user_id = "nobody")]
    fn close(self) {}

    #[observed(skip)]
    fn quiet(&self) {}
}

#[test]
fn an_impl_block_observes_its_methods() {
    let seen = capture(|| {
        let ledger = Ledger::open(3);
        ledger.quiet();
        assert_eq!(now(ledger.add("u1")), 3);
        ledger.close();
    });
    assert_eq!(
        spans(&seen),
        "Ledger::open{} ok\nLedger::add{user_id=\"u1\",shard=3} ok\nledger.close{shard=3,user_id=\"nobody\"} ok"
    );
}
