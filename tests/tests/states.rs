//! State machines: what is counted as values go from state to state.
#![allow(clippy::unwrap_used)]

use obs_runtime::testing::{Captured, capture};
use obs_runtime::{IllegalTransition, LabelSet, LabelValue, MetricSet, StateMachine, Tracked, transition};

#[derive(StateMachine, LabelValue, Clone, Copy, Debug, PartialEq)]
#[state_machine(name = "agent", label = "status")]
pub enum AgentStatus {
    #[initial]
    #[to(Running, Failed)]
    Provisioning,
    #[to(Hibernating, Stopped, Failed)]
    Running,
    #[to(Running, Stopped, Failed)]
    Hibernating,
    #[to(Provisioning)]
    Stopped,
    #[to(Provisioning)]
    Failed,
}

fn agents<T>(seen: &Captured<T>, status: &str) -> Option<f64> {
    seen.metric("agents_total", &[("status", status)])
}

#[test]
fn a_transition_is_counted_and_moves_the_population() {
    let seen = capture(|| {
        let mut agent = Tracked::new(AgentStatus::Provisioning);
        agent.transition(AgentStatus::Running).unwrap();
        agent.transition(AgentStatus::Hibernating).unwrap();
        agent
    });
    assert_eq!(seen.value.state(), AgentStatus::Hibernating);
    let edge = [("from", "provisioning"), ("to", "running")];
    assert_eq!(seen.metric("agent_state_transitions_total", &edge), Some(1.0));
    assert_eq!(seen.metric("agent_state_transitions_total", &[]), Some(2.0));
    assert_eq!((agents(&seen, "provisioning"), agents(&seen, "hibernating")), (Some(0.0), Some(1.0)));
    assert_eq!(seen.metric("agent_state_duration_seconds_count", &[("status", "provisioning")]), Some(1.0));
    assert_eq!(seen.metric("agent_state_duration_seconds_count", &[("status", "hibernating")]), None);
}

#[test]
fn the_event_of_a_transition_stands_where_it_was_asked_for() {
    let line = line!();
    let seen = capture(|| {
        let mut agent = Tracked::new(AgentStatus::Provisioning);
        agent.transition(AgentStatus::Running).unwrap();
        transition!(agent, Running => Stopped).unwrap();
    });
    let places: Vec<_> = seen.logs().iter().map(|log| (log["file"].clone(), log["line"].clone())).collect();
    assert_eq!(places, [(file!().into(), (line + 3).into()), (file!().into(), (line + 4).into())]);
    assert_eq!(seen.logs()[0]["message"], "agent went from provisioning to running");
    assert_eq!(seen.logs()[1]["to"], "stopped");
}

#[test]
fn dropping_leaves_the_state() {
    let seen = capture(|| {
        let first = Tracked::new(AgentStatus::Provisioning);
        let _second = Tracked::new(AgentStatus::Provisioning);
        drop(first);
        let third = Tracked::new(AgentStatus::Provisioning);
        std::mem::forget(third);
    });
    assert_eq!(agents(&seen, "provisioning"), Some(1.0));
}

#[test]
fn a_value_that_outlives_its_capture_leaves_the_process_alone() {
    drop(capture(|| Tracked::new(AgentStatus::Provisioning)));
    let text = obs_runtime::metrics::encode();
    assert!(text.contains("agents_total{status=\"provisioning\"} 0\n"), "{text}");
}

#[test]
fn a_value_from_outside_of_a_capture_is_of_the_process_s_population_all_the_time() {
    let mut lamp = Tracked::new(Lamp::Dark);
    let seen = capture(|| lamp.transition(Lamp::Lit).unwrap());
    assert_eq!(seen.metric("lamp_state_transitions_total", &[]), Some(1.0));
    assert_eq!(seen.metric("lamps_total", &[]), None);
    assert!(obs_runtime::metrics::encode().contains("lamps_total{state=\"lit\"} 1\n"));
    drop(lamp);
    assert!(obs_runtime::metrics::encode().contains("lamps_total{state=\"lit\"} 0\n"));
}

#[derive(StateMachine)]
#[state_machine(name = "lamp")]
pub enum Lamp {
    #[initial]
    #[to(Lit)]
    Dark,
    #[terminal]
    Lit,
}

#[test]
fn a_restored_value_is_counted_in_its_state_and_not_timed_before_it_moves() {
    let seen = capture(|| {
        let mut agent = Tracked::restore(AgentStatus::Running);
        agent.transition(AgentStatus::Hibernating).unwrap();
        agent.transition(AgentStatus::Running).unwrap();
        std::mem::forget(agent);
    });
    assert_eq!(agents(&seen, "running"), Some(1.0));
    assert_eq!(seen.metric("agent_state_duration_seconds_count", &[("status", "running")]), None);
    assert_eq!(seen.metric("agent_state_duration_seconds_count", &[("status", "hibernating")]), Some(1.0));
}

#[test]
fn an_undeclared_edge_is_refused_counted_and_changes_nothing() {
    let seen = capture(|| {
        let mut agent = Tracked::new(AgentStatus::Provisioning);
        let refused = agent.transition(AgentStatus::Stopped).unwrap_err();
        // An edge to itself is an edge like any other.
        assert!(agent.transition(AgentStatus::Provisioning).is_err());
        std::mem::forget(agent);
        refused
    });
    let IllegalTransition { from, to, .. } = seen.value;
    assert_eq!((from, to), ("provisioning", "stopped"));
    assert_eq!(seen.value.to_string(), "agent cannot go from provisioning to stopped");
    let edge = [("from", "provisioning"), ("to", "stopped")];
    assert_eq!(seen.metric("agent_illegal_transitions_total", &edge), Some(1.0));
    assert_eq!(seen.metric("agent_state_transitions_total", &[]), None);
    assert_eq!(agents(&seen, "provisioning"), Some(1.0));
}

#[test]
fn a_transition_by_names_asks_where_the_value_is() {
    let seen = capture(|| {
        let mut agent = Tracked::new(AgentStatus::Provisioning);
        transition!(agent, Provisioning => Running).unwrap();
        let refused = transition!(agent, Provisioning => Failed).unwrap_err();
        assert_eq!(agent.state(), AgentStatus::Running);
        refused
    });
    assert_eq!(seen.value.expected, Some("provisioning"));
    assert_eq!(seen.value.to_string(), "agent is running, not provisioning, so it does not go to failed");
    let edge = [("from", "running"), ("to", "failed")];
    assert_eq!(seen.metric("agent_illegal_transitions_total", &edge), Some(1.0));
}

struct Agent {
    status: Tracked<AgentStatus>,
}

#[test]
fn the_value_may_be_a_field_or_behind_a_reference() {
    fn start(agent: &mut Agent) -> Result<(), IllegalTransition> {
        transition!(agent.status, Provisioning => Running)
    }
    fn stop(status: &mut Tracked<AgentStatus>) -> Result<(), IllegalTransition> {
        transition!(*status, Running => Stopped)
    }
    let seen = capture(|| {
        let mut agent = Agent { status: Tracked::new(AgentStatus::Provisioning) };
        start(&mut agent).and_then(|()| stop(&mut agent.status))
    });
    assert_eq!(seen.value, Ok(()));
}

#[test]
fn each_transition_writes_one_event() {
    let seen = capture(|| {
        let mut agent = Tracked::new(AgentStatus::Provisioning);
        agent.transition(AgentStatus::Running).unwrap();
        let _ = agent.transition(AgentStatus::Provisioning);
    });
    let [line] = seen.logs() else { panic!("{:?}", seen.logs()) };
    assert_eq!(line["level"], "info");
    assert_eq!(line["target"], "obs_runtime::state");
    assert_eq!(line["message"], "agent went from provisioning to running");
    assert_eq!((&line["from"], &line["to"]), (&"provisioning".into(), &"running".into()));
    assert_eq!(line["state_machine"], "agent");
}

#[test]
fn every_state_is_in_the_text_of_the_process_from_the_first_use_on() {
    let mut door = Tracked::new(Door::Shut);
    door.transition(Door::Open).unwrap();
    let text = obs_runtime::metrics::encode();
    for line in [
        "doors_total{state=\"open\"} 1\n",
        "doors_total{state=\"shut\"} 0\n",
        "door_state_transitions_total{from=\"shut\",to=\"open\"} 1\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[derive(StateMachine)]
#[state_machine(name = "door")]
pub enum Door {
    #[initial]
    #[to(Open)]
    Shut,
    #[to(Shut)]
    Open,
}

#[test]
fn the_descriptors_have_the_published_names() {
    let names: Vec<_> = AgentStatus::DESCRIPTORS
        .iter()
        .map(|one| {
            let labels: Vec<_> = one.labels.iter().map(|label| label.name).collect();
            format!("{} {} {}", one.name, one.kind, labels.join(","))
        })
        .collect();
    let expected = [
        "agent_state_transitions_total counter from,to",
        "agents_total gauge status",
        "agent_illegal_transitions_total counter from,to",
        "agent_state_duration_seconds histogram status",
    ];
    assert_eq!(names, expected);
    let states = ["provisioning", "running", "hibernating", "stopped", "failed"];
    assert_eq!(AgentStatus::DESCRIPTORS[1].labels[0].values, Some(&states[..]));
}

#[derive(StateMachine)]
#[state_machine(
    name = "order",
    transitions = "shop_order_moves_total",
    population = "shop_orders",
    illegal = "shop_order_refusals_total",
    duration = "shop_order_seconds",
    buckets = [1.0, 60.0]
)]
pub enum Order {
    #[initial]
    #[to(PaidFor)]
    Open,
    #[terminal]
    PaidFor,
}

#[test]
fn names_and_buckets_can_be_chosen() {
    let names: Vec<_> = Order::DESCRIPTORS.iter().map(|one| one.name).collect();
    let expected = ["shop_order_moves_total", "shop_orders", "shop_order_refusals_total", "shop_order_seconds"];
    assert_eq!(names, expected);
    assert_eq!(Order::DESCRIPTORS[3].buckets, [1.0, 60.0]);
    assert_eq!(Order::DESCRIPTORS[1].labels[0].name, "state");
    let diagram = "stateDiagram-v2\n    [*] --> open\n    open --> paid_for\n    paid_for --> [*]\n";
    assert_eq!(Order::DIAGRAM, diagram);
}

/// The states are labels of other metrics too.
#[derive(MetricSet)]
pub struct AgentMetrics {
    /// Whether an agent is in a status.
    pub agent_status: obs_runtime::Gauge<StatusLabels>,
}

#[derive(LabelSet)]
pub struct StatusLabels {
    pub status: AgentStatus,
}

#[test]
fn a_state_is_a_label_of_other_metrics_too() {
    let seen = capture(|| {
        AgentMetrics::global().agent_status.with(StatusLabels { status: AgentStatus::Hibernating }).set(1.0);
    });
    assert_eq!(seen.metric("agent_status", &[("status", "hibernating")]), Some(1.0));
}
