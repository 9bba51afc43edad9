//! State machines that are counted: what `#[derive(StateMachine)]` writes an `impl` for, and the value that has a state.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use tracing::Level;
use tracing::field::Value;

use crate::engine::clock::Moment;
use crate::engine::made::{Located, Named};
use crate::metrics::cell::LevelCell;
use crate::metrics::descriptor::{Descriptor, LabelDescriptor};
use crate::metrics::family::Family;
use crate::metrics::kinds::{Counter, Histogram};
use crate::metrics::label::{LabelSet, LabelValue, LabelVisitor, Values};
use crate::metrics::scope::{self, Scope};
use crate::metrics::set::{Families, Global, Metric, MetricSet};

/// States and the edges between them: `#[derive(StateMachine)]` on an enum.
///
/// ```
/// use obs_runtime::{StateMachine, Tracked, transition};
///
/// #[derive(StateMachine, Debug, PartialEq)]
/// #[state_machine(name = "agent", label = "status")]
/// enum AgentStatus {
///     #[initial]
///     #[to(Running, Failed)]
///     Provisioning,
///     #[to(Stopped, Failed)]
///     Running,
///     #[to(Provisioning)]
///     Failed,
///     #[terminal]
///     Stopped,
/// }
///
/// let mut status = Tracked::new(AgentStatus::Provisioning);
/// status.transition(AgentStatus::Running)?;
/// transition!(status, Running => Stopped)?;
/// assert_eq!(status.state(), AgentStatus::Stopped);
/// assert!(status.transition(AgentStatus::Running).is_err());
/// # Ok::<(), obs_runtime::IllegalTransition>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a state machine",
    label = "an enum with `#[derive(StateMachine)]`, whose variants are the states"
)]
pub trait StateMachine: Sized + Send + Sync + 'static {
    /// The name that its metrics begin with.
    const NAME: &'static str;

    /// The texts of the states, in the order of the variants.
    const STATES: &'static [&'static str];

    /// Its metrics: transitions, population, refused transitions and how long each state lasted.
    const DESCRIPTORS: &'static [Descriptor];

    /// The states and edges as a Mermaid state diagram.
    const DIAGRAM: &'static str;

    #[doc(hidden)]
    type States;

    #[doc(hidden)]
    fn states() -> Self::States;

    #[doc(hidden)]
    fn index(&self) -> usize;

    #[doc(hidden)]
    fn nth(index: usize) -> Self;

    #[doc(hidden)]
    fn is_edge(from: usize, to: usize) -> bool;

    #[doc(hidden)]
    fn slot() -> &'static Global<Machine<Self>>;
}

/// The target of the event that each transition writes.
const TARGET: &str = "obs_runtime::state";

static WENT: Located = Located::new(Named {
    name: "transition",
    target: TARGET,
    level: Level::INFO,
    fields: &["message", "state_machine", "from", "to"],
});

/// Writes the event of a transition, where it was asked for.
#[cold]
fn tell(machine: &str, from: &str, to: &str, location: &Location<'_>) {
    let message = format_args!("{machine} went from {from} to {to}");
    let values: [Option<&dyn Value>; 4] = [Some(&message), Some(&machine), Some(&from), Some(&to)];
    WENT.tell(Some(location), &values);
}

/// A value that is in a state of `S`, and is counted there until it is dropped.
///
/// Each transition is counted in `<name>_state_transitions_total{from,to}`, moves the value in `<name>s_total`, observes in
/// `<name>_state_duration_seconds` how many seconds the state lasted that is left, and writes one event at level `info`
/// with the target `obs_runtime::state`, the fields `state_machine`, `from` and `to`, and the file and line that asked for it.
#[must_use = "it leaves its state when it is dropped"]
pub struct Tracked<S: StateMachine> {
    /// An index of `S::STATES`.
    state: usize,
    /// When the state was entered, if it was in this process.
    since: Option<Moment>,
    /// The capture that it was made in. Its population is counted there, wherever it goes, so that it adds up.
    home: Option<Arc<Scope>>,
    machine: PhantomData<S>,
}

impl<S: StateMachine> Tracked<S> {
    /// A value that enters `state` now.
    pub fn new(state: S) -> Self {
        Self::enter(&state, Some(Moment::now()))
    }

    /// A value that was in `state` before this process knew of it, as a database says. How long it has been there is not
    /// known, so that is not observed.
    pub fn restore(state: S) -> Self {
        Self::enter(&state, None)
    }

    fn enter(state: &S, since: Option<Moment>) -> Self {
        let tracked = Tracked { state: state.index(), since, home: scope::current(), machine: PhantomData };
        tracked.populate(1);
        tracked
    }

    /// So many more in its state.
    fn populate(&self, more: i64) {
        let _home = scope::enter(self.home.clone());
        let population = &Machine::<S>::global().population;
        population.update(&population.with(In::new(self.state)), more);
    }

    /// The state that it is in.
    #[must_use]
    pub fn state(&self) -> S {
        S::nth(self.state)
    }

    /// Goes to `to`.
    ///
    /// # Errors
    ///
    /// If no edge leads there from the present state. The value stays where it is, and the attempt is counted in
    /// `<name>_illegal_transitions_total{from,to}`.
    #[track_caller]
    pub fn transition(&mut self, to: S) -> Result<(), IllegalTransition> {
        self.go(None, to.index(), Location::caller())
    }

    /// Goes from `from`, if it is there, to `to`.
    fn go(&mut self, expected: Option<usize>, to: usize, location: &Location<'_>) -> Result<(), IllegalTransition> {
        let from = self.state;
        let metrics = Machine::<S>::global();
        let _scope = self.home.is_some().then(|| scope::enter(self.home.clone()));
        if expected.is_some_and(|expected| expected != from) || !S::is_edge(from, to) {
            metrics.illegal.with(Moved::new(from, to)).inc();
            let expected = expected.filter(|expected| *expected != from).map(text::<S>);
            return Err(IllegalTransition { machine: S::NAME, from: text::<S>(from), to: text::<S>(to), expected });
        }
        let now = Moment::now();
        if let Some(since) = self.since.replace(now) {
            metrics.duration.with(In::new(from)).observe(now.since(since) as f64 / 1e9);
        }
        metrics.transitions.with(Moved::new(from, to)).inc();
        self.populate(-1);
        self.state = to;
        self.populate(1);
        if tracing::enabled!(target: TARGET, Level::INFO) {
            tell(S::NAME, text::<S>(from), text::<S>(to), location);
        }
        Ok(())
    }
}

impl<S: StateMachine> Drop for Tracked<S> {
    fn drop(&mut self) {
        self.populate(-1);
    }
}

impl<S: StateMachine> fmt::Debug for Tracked<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked").field("state", &text::<S>(self.state)).finish()
    }
}

fn text<S: StateMachine>(state: usize) -> &'static str {
    S::STATES.get(state).copied().unwrap_or_default()
}

/// A transition that is not declared, or that began in another state than the caller thought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IllegalTransition {
    /// The name of the state machine.
    pub machine: &'static str,
    /// The state that the value is in, still.
    pub from: &'static str,
    /// The state that it was to go to.
    pub to: &'static str,
    /// The state that `transition!` took it to be in, if it is in another.
    pub expected: Option<&'static str>,
}

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IllegalTransition { machine, from, to, expected } = self;
        match expected {
            Some(expected) => write!(f, "{machine} is {from}, not {expected}, so it does not go to {to}"),
            None => write!(f, "{machine} cannot go from {from} to {to}"),
        }
    }
}

impl Error for IllegalTransition {}

/// The metrics of a state machine.
pub struct Machine<S: StateMachine> {
    transitions: Counter<Moved<S>>,
    population: Arc<Family<In<S>, LevelCell>>,
    illegal: Counter<Moved<S>>,
    duration: Histogram<In<S>>,
}

impl<S: StateMachine> MetricSet for Machine<S> {
    const DESCRIPTORS: &'static [Descriptor] = S::DESCRIPTORS;

    fn new() -> Self {
        const { assert!(S::DESCRIPTORS.len() == 4, "the derive writes four descriptors") };
        let machine = Machine {
            transitions: Counter::make(&S::DESCRIPTORS[0]),
            population: Family::new(&S::DESCRIPTORS[1]),
            illegal: Counter::make(&S::DESCRIPTORS[2]),
            duration: Histogram::make(&S::DESCRIPTORS[3]),
        };
        // Every state is shown from the start, also if the first use is in a capture: nobody is in it yet.
        let _process = scope::enter(None);
        for state in 0..S::STATES.len() {
            let _ = machine.population.with(In::new(state));
        }
        machine
    }

    fn slot() -> &'static Global<Self> {
        S::slot()
    }

    fn add_to(&self, families: &mut Families) {
        self.transitions.add_to(families);
        families.push(self.population.clone());
        self.illegal.add_to(families);
        self.duration.add_to(families);
    }
}

/// The label of one state.
struct In<S>(usize, PhantomData<S>);

/// The labels of an edge.
struct Moved<S> {
    from: In<S>,
    to: In<S>,
}

impl<S> In<S> {
    fn new(state: usize) -> Self {
        In(state, PhantomData)
    }
}

impl<S> Moved<S> {
    fn new(from: usize, to: usize) -> Self {
        Moved { from: In::new(from), to: In::new(to) }
    }
}

impl<S: StateMachine> LabelValue for In<S> {
    const VALUES: Values = Values::Closed(S::STATES);

    #[inline]
    fn index(&self) -> usize {
        self.0
    }
}

impl<S: StateMachine> LabelSet for In<S> {
    const LABELS: &'static [LabelDescriptor] = S::DESCRIPTORS[1].labels;

    #[inline]
    fn index(&self) -> Option<usize> {
        Some(self.0)
    }

    fn visit<'a>(&'a self, visitor: &mut LabelVisitor<'a>) {
        visitor.label(self);
    }
}

impl<S: StateMachine> LabelSet for Moved<S> {
    const LABELS: &'static [LabelDescriptor] = S::DESCRIPTORS[0].labels;

    #[inline]
    fn index(&self) -> Option<usize> {
        Some(self.from.0 * S::STATES.len() + self.to.0)
    }

    fn visit<'a>(&'a self, visitor: &mut LabelVisitor<'a>) {
        visitor.label(&self.from);
        visitor.label(&self.to);
    }
}

/// The type of one state, which `transition!` checks edges by.
pub trait State {
    /// Its place in [`StateMachine::STATES`].
    const INDEX: usize;
}

/// There is an edge from this state to `To`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot become `{To}`: no such edge is declared",
    label = "add `#[to({To})]` to `{Self}`, or go another way"
)]
pub trait Edge<To> {}

/// A transition that `transition!` names, not made yet.
pub struct Move<'a, S: StateMachine, From, To> {
    tracked: &'a mut Tracked<S>,
    states: PhantomData<(From, To)>,
}

/// Finds the types of the two states by their names. It does not ask for the edge: where a state has but one, inference
/// would take that one and speak of types that do not match.
pub fn edge<S: StateMachine, From, To>(
    tracked: &mut Tracked<S>,
    _from: impl FnOnce(S::States) -> From,
    _to: impl FnOnce(S::States) -> To,
) -> Move<'_, S, From, To> {
    Move { tracked, states: PhantomData }
}

/// Makes the transition.
///
/// # Errors
///
/// If the value is not in the state `From`.
#[track_caller]
pub fn make<S: StateMachine, From: Edge<To> + State, To: State>(
    transition: Move<'_, S, From, To>,
) -> Result<(), IllegalTransition> {
    transition.tracked.go(Some(From::INDEX), To::INDEX, Location::caller())
}

/// Makes a transition between two states that are given by their names. An edge that is not declared does not compile.
///
/// It is a `Result`, as the value may be in another state when it runs.
///
/// ```
/// use obs_runtime::{StateMachine, Tracked, transition};
///
/// #[derive(StateMachine)]
/// #[state_machine(name = "door")]
/// enum Door {
///     #[initial]
///     #[to(Open)]
///     Shut,
///     #[to(Shut)]
///     Open,
/// }
///
/// let mut door = Tracked::new(Door::Shut);
/// assert!(transition!(door, Shut => Open).is_ok());
/// assert!(transition!(door, Shut => Open).is_err());
/// ```
#[macro_export]
macro_rules! transition {
    ($tracked:expr, $from:ident => $to:ident $(,)?) => {
        $crate::__private::make($crate::__private::edge(
            &mut $tracked,
            |__obs_states| __obs_states.$from,
            |__obs_states| __obs_states.$to,
        ))
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "`transition!` takes a `Tracked` and the names of two states: `tracked, Running => Stopped`"
        )
    };
}
