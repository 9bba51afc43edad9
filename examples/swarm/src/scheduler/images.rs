//! What agents run. Only the pull of a cold image takes its time, as it would.

use std::time::Duration;

use obs_runtime::{info, observed};

use super::error::ScheduleError;

/// On every node already.
pub(super) const WARM: &str = "assistant";
/// Large, and on no node.
pub(super) const COLD: &str = "research";

/// How long the cold image takes: longer than any impatient client waits.
const COLD_PULL: Duration = Duration::from_secs(30);

/// Brings an image to the node.
#[observed(image)]
pub(super) async fn pull_image(image: &str) -> Result<(), ScheduleError> {
    match image {
        WARM => Ok(()),
        COLD => {
            info!("Pulling a cold image");
            tokio::time::sleep(COLD_PULL).await;
            Ok(())
        }
        _ => Err(ScheduleError::NoImage(image.to_owned())),
    }
}
