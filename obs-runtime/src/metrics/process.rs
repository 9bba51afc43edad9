//! What the system says of this process, under the names that Prometheus' clients have for it. Linux only: elsewhere there is
//! no `/proc`, and no metric.

use std::fs;

use crate::metrics::descriptor::{Descriptor, Kind};
use crate::metrics::own::own;
use crate::metrics::snapshot::{Sample, Snapshot};
use crate::metrics::text::Value;

/// Every metric of the process.
pub(crate) const DESCRIPTORS: &[Descriptor] = &[
    own(
        "process_cpu_seconds_total",
        Kind::Counter,
        "Processor time of this process, user and system.",
        Some("seconds"),
        &[],
        line!(),
    ),
    own("process_resident_memory_bytes", Kind::Gauge, "Resident memory.", Some("bytes"), &[], line!()),
    own("process_virtual_memory_bytes", Kind::Gauge, "Virtual memory.", Some("bytes"), &[], line!()),
    own("process_threads", Kind::Gauge, "Threads.", None, &[], line!()),
    own("process_open_fds", Kind::Gauge, "Open file descriptors.", None, &[], line!()),
    own("process_max_fds", Kind::Gauge, "Limit of open file descriptors.", None, &[], line!()),
    own(
        "process_start_time_seconds",
        Kind::Gauge,
        "When this process began, in seconds since the Unix epoch.",
        Some("seconds"),
        &[],
        line!(),
    ),
];

/// The kernel counts time in hundredths of a second for user space, whatever it does inside.
const TICKS: f64 = 100.0;

pub(crate) fn snapshots() -> impl Iterator<Item = Snapshot> {
    let stat = Stat::read();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let values: [Option<f64>; DESCRIPTORS.len()] = [
        stat.as_ref().and_then(Stat::processor),
        kilobytes(&status, "VmRSS:"),
        kilobytes(&status, "VmSize:"),
        word(&status, "Threads:", 0),
        // The one that lists them is among them.
        fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1) as f64),
        word(&limits, "Max open files", 0),
        stat.as_ref().and_then(Stat::begun),
    ];
    DESCRIPTORS.iter().zip(values).filter_map(|(descriptor, value)| {
        let sample = Sample { labels: String::new(), created: 0, value: Value::Number(value?), exemplars: Vec::new() };
        Some(Snapshot { descriptor, series: vec![sample] })
    })
}

/// The words of `/proc/self/stat` after the name of the program, which may have blanks.
struct Stat(Vec<f64>);

impl Stat {
    fn read() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/stat").ok()?;
        let (_, words) = text.rsplit_once(')')?;
        // The first one is a letter.
        Some(Stat(words.split_whitespace().skip(1).map(|word| word.parse().unwrap_or(0.0)).collect()))
    }

    /// The field `number` of proc(5), which counts from 1.
    fn field(&self, number: usize) -> Option<f64> {
        self.0.get(number - 4).copied()
    }

    fn processor(&self) -> Option<f64> {
        Some((self.field(14)? + self.field(15)?) / TICKS)
    }

    fn begun(&self) -> Option<f64> {
        let system = fs::read_to_string("/proc/stat").ok()?;
        Some(word(&system, "btime", 0)? + self.field(22)? / TICKS)
    }
}

/// The number at `at` after `name`, which begins a line.
fn word(text: &str, name: &str, at: usize) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().nth(at)?.parse().ok()
}

fn kilobytes(text: &str, name: &str) -> Option<f64> {
    Some(word(text, name, 0)? * 1_024.0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_as_the_system_says() {
        let values: Vec<(&str, f64)> = snapshots()
            .map(|snapshot| match &snapshot.series[0].value {
                Value::Number(value) => (snapshot.descriptor.name, *value),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(values.len(), DESCRIPTORS.len(), "{values:?}");
        let value = |name: &str| values.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        assert!(value("process_resident_memory_bytes") > Some(1e6), "{values:?}");
        assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"), "{values:?}");
        assert!(value("process_threads") >= Some(1.0), "{values:?}");
        assert!(value("process_open_fds") >= Some(3.0), "{values:?}");
        let now = crate::metrics::series::now() as f64 / 1e3;
        let begun = value("process_start_time_seconds").expect("a time");
        assert!((0.0..86_400.0).contains(&(now - begun)), "{now} and {begun}");
    }
}
