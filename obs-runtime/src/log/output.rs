//! What lines are written to, whatever it does: it may take a part, make one wait, fail, or panic.

use std::io::{self, ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

/// Where lines go.
pub(crate) struct Output {
    /// Nothing where the lines of a process have no place to go.
    inner: Option<Box<dyn Write + Send>>,
    /// It broke off within a line.
    torn: bool,
}

/// How long an output may take nothing that does not wait by itself, as a pipe that does not block.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long it is left alone in between.
const BREATHER: Duration = Duration::from_millis(2);

impl Output {
    pub(crate) fn new(inner: Box<dyn Write + Send>) -> Self {
        Output { inner: Some(inner), torn: false }
    }

    pub(crate) fn none() -> Self {
        Output { inner: None, torn: false }
    }

    /// Nothing is written from here on.
    pub(crate) fn close(&mut self) {
        let inner = self.inner.take();
        drop(catch_unwind(AssertUnwindSafe(|| drop(inner))));
    }

    /// Writes whole lines; how many of them could not be written. What comes after a line that broke off begins on a line
    /// of its own.
    pub(crate) fn write(&mut self, lines: &[u8]) -> u64 {
        let Some(inner) = &mut self.inner else { return count(lines) };
        if self.torn {
            self.torn = !matches!(put(&mut **inner, b"\n"), Put { taken: 1, .. });
            if self.torn {
                return count(lines);
            }
        }
        match put(&mut **inner, lines) {
            Put { failed: false, .. } => 0,
            // It has taken all, and cannot say where it went.
            Put { taken, .. } if taken == lines.len() => count(lines),
            Put { taken, panicked, .. } => {
                // One that panicked may have written more than it said.
                self.torn = panicked || lines[..taken].last().is_some_and(|byte| *byte != b'\n');
                count(&lines[taken..])
            }
        }
    }
}

/// The only line feeds are those at the ends of lines.
fn count(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// How far a text went.
struct Put {
    taken: usize,
    failed: bool,
    panicked: bool,
}

fn put(output: &mut dyn Write, text: &[u8]) -> Put {
    let mut taken = 0;
    let result = catch_unwind(AssertUnwindSafe(|| write_and_flush(output, text, &mut taken)));
    Put { taken, failed: !matches!(result, Ok(Ok(()))), panicked: result.is_err() }
}

fn write_and_flush(output: &mut dyn Write, text: &[u8], taken: &mut usize) -> io::Result<()> {
    let mut since = Instant::now();
    while *taken < text.len() {
        match output.write(&text[*taken..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(more) => {
                *taken = (*taken + more).min(text.len());
                since = Instant::now();
            }
            Err(err) => bear(err, since)?,
        }
    }
    while let Err(err) = output.flush() {
        bear(err, since)?;
    }
    Ok(())
}

/// Waits where that may help.
fn bear(err: io::Error, since: Instant) -> io::Result<()> {
    match err.kind() {
        ErrorKind::Interrupted if since.elapsed() < PATIENCE => Ok(()),
        ErrorKind::WouldBlock if since.elapsed() < PATIENCE => {
            thread::sleep(BREATHER);
            Ok(())
        }
        _ => Err(err),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What an output does when it is written to.
    enum Act {
        Take(usize),
        Fail(ErrorKind),
        Panic,
        TakeAndPanic(usize),
    }

    /// Does what the script says, then takes everything.
    struct Script(Vec<Act>, Arc<Mutex<Vec<u8>>>);

    impl Write for Script {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let act = if self.0.is_empty() { Act::Take(usize::MAX) } else { self.0.remove(0) };
            let take = |most: usize| {
                let taken = most.min(text.len());
                self.1.lock().expect("not poisoned").extend_from_slice(&text[..taken]);
                taken
            };
            match act {
                Act::Take(most) => Ok(take(most)),
                Act::Fail(kind) => Err(kind.into()),
                Act::Panic => panic!("an output that panics"),
                Act::TakeAndPanic(most) => {
                    take(most);
                    panic!("an output that panics late")
                }
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is lost of two chunks, and what is written.
    fn written(script: impl Into<Vec<Act>>) -> ((u64, u64), String) {
        let seen = Arc::<Mutex<Vec<u8>>>::default();
        let mut output = Output::new(Box::new(Script(script.into(), Arc::clone(&seen))));
        let lost = (output.write(b"one\ntwo\nthree\n"), output.write(b"four\n"));
        let text = String::from_utf8(seen.lock().expect("not poisoned").clone()).expect("UTF-8");
        (lost, text)
    }

    #[test]
    fn parts_interruptions_and_pauses_cost_nothing() {
        use Act::{Fail, Take};
        let (lost, text) = written([
            Take(1),
            Fail(ErrorKind::Interrupted),
            Take(5),
            Fail(ErrorKind::WouldBlock),
            Fail(ErrorKind::WouldBlock),
            Take(2),
        ]);
        assert_eq!((lost, &*text), ((0, 0), "one\ntwo\nthree\nfour\n"));
    }

    #[test]
    fn after_a_line_that_broke_off_the_next_begins_on_a_line_of_its_own() {
        let (lost, text) = written([Act::Take(6), Act::Fail(ErrorKind::StorageFull)]);
        assert_eq!((lost, &*text), ((2, 0), "one\ntw\nfour\n"));
    }

    #[test]
    fn after_a_failure_between_lines_nothing_is_put_between() {
        let (lost, text) = written([Act::Take(4), Act::Fail(ErrorKind::StorageFull)]);
        assert_eq!((lost, &*text), ((2, 0), "one\nfour\n"));
        let (lost, text) = written([Act::Fail(ErrorKind::BrokenPipe)]);
        assert_eq!((lost, &*text), ((3, 0), "four\n"));
    }

    #[test]
    fn a_line_feed_that_cannot_be_written_is_written_later() {
        let full = || Act::Fail(ErrorKind::StorageFull);
        let (lost, text) = written([Act::Take(6), full(), full()]);
        assert_eq!((lost, &*text), ((2, 1), "one\ntw"));
    }

    #[test]
    fn a_panic_costs_what_was_not_taken() {
        assert_eq!(written([Act::Panic]), ((3, 0), "\nfour\n".to_owned()));
        assert_eq!(written([Act::TakeAndPanic(6)]), ((3, 0), "one\ntw\nfour\n".to_owned()));
    }

    #[test]
    fn an_output_that_takes_nothing_has_failed() {
        assert_eq!(written([Act::Take(0)]), ((3, 0), "four\n".to_owned()));
    }
}
