//! Engines that are the subscribers of some scopes only.

use obs_runtime::info;
use obs_runtime::testing::capture;

fn say() {
    info!("said");
}

#[test]
fn a_callsite_that_is_first_met_outside_of_a_capture_is_on_inside() {
    let seen = capture(|| {
        // The thread has no subscriber.
        std::thread::spawn(say).join().expect("no panic");
        say();
    });
    assert_eq!(seen.logs().len(), 1);
}
