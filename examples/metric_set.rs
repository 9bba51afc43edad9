//! Metrics of one's own: declared once, counted in a few ways, and printed as Prometheus would read them.
//!
//! `cargo run -p examples --example metric_set`

use std::error::Error;
use std::sync::Arc;

use obs_runtime::{
    Counter, Gauge, Histogram, LabelSet, LabelValue, MetricSet, ObservedGauge, Registry, StateMachine, Tracked,
    transition,
};

/// What a small parcel service counts.
#[derive(MetricSet)]
#[metric_set(prefix = "parcel")]
struct ParcelMetrics {
    /// Parcels that were handed over.
    handovers_total: Counter<HandoverLabels>,
    /// Parcels that a customer has under way.
    under_way: Gauge<CustomerLabels>,
    /// How much parcels weigh.
    #[metric(unit = "grams", buckets = [100.0, 500.0, 1_000.0, 5_000.0, 20_000.0])]
    weight_grams: Histogram,
    /// Parcels in the store, counted when somebody asks.
    stored: ObservedGauge,
}

/// Enums and `bool` are labels of few values: they cost an array index.
#[derive(LabelSet)]
struct HandoverLabels {
    service: Service,
    insured: bool,
}

#[derive(LabelValue)]
enum Service {
    Standard,
    NextDay,
}

/// A label that may have many values says how many.
#[derive(LabelSet)]
struct CustomerLabels {
    customer: Customer,
}

#[derive(LabelValue)]
#[label(max = 2)]
struct Customer(&'static str);

/// Where a parcel is. An edge that is not here does not compile in `transition!`, and is an error in `transition`.
#[derive(StateMachine)]
#[state_machine(name = "parcel")]
enum Parcel {
    #[initial]
    #[to(Stored)]
    Announced,
    #[to(Delivered)]
    Stored,
    #[terminal]
    Delivered,
}

fn main() -> Result<(), Box<dyn Error>> {
    let metrics = ParcelMetrics::global();

    metrics.handovers_total.with(HandoverLabels { service: Service::NextDay, insured: true }).inc();
    let standard = metrics.handovers_total.with(HandoverLabels { service: Service::Standard, insured: false });
    standard.inc();
    standard.add(2);

    for (customer, parcels) in [("ada", 3.0), ("bob", 1.0)] {
        metrics.under_way.with(CustomerLabels { customer: Customer(customer) }).set(parcels);
    }
    // The third customer finds no room until one of the others leaves.
    metrics.under_way.with(CustomerLabels { customer: Customer("cyd") }).set(1.0);
    metrics.under_way.remove(&CustomerLabels { customer: Customer("bob") });
    metrics.under_way.with(CustomerLabels { customer: Customer("cyd") }).set(2.0);

    for grams in [80.0, 750.0, 3_200.0] {
        metrics.weight_grams.observe(grams);
    }

    let store = Arc::new(["a parcel", "another parcel"]);
    metrics.stored.observe(move || store.len() as f64);

    let mut parcel = Tracked::new(Parcel::Announced);
    transition!(parcel, Announced => Stored)?;
    if let Err(err) = parcel.transition(Parcel::Announced) {
        eprintln!("refused: {err}");
    }

    println!("{}", obs_runtime::metrics::encode());

    // An instance of one's own is in no text but that of a registry that has it.
    let registry = Registry::new();
    registry.register(&ParcelMetrics::new())?;
    if let Err(err) = registry.register(&ParcelMetrics::new()) {
        eprintln!("refused: {err}");
    }
    for descriptor in ParcelMetrics::DESCRIPTORS {
        eprintln!("{} is a {}, declared at {}:{}", descriptor.name, descriptor.kind, descriptor.file, descriptor.line);
    }
    Ok(())
}
