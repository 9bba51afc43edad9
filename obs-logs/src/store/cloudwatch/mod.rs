//! CloudWatch by the official SDK: lines are put into its streams and asked of them.
//!
//! Agents' lines are the events of one log group, each agent's in the stream that has the name of its pod. So Vector sends them by
//! the pipeline in `deploy/`, and so does who appends here. The pod's name is all that says whose a line is, so that one agent's lines are
//! never among those that another's owner is given: other streams are not even asked for.

mod get;
mod put;
mod text;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::timeout::TimeoutConfig;
use aws_sdk_cloudwatchlogs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudwatchlogs::operation::create_log_stream::CreateLogStreamError;
use aws_sdk_cloudwatchlogs::operation::put_log_events::{PutLogEventsError, PutLogEventsOutput};
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use tokio::sync::Mutex;

use self::put::Event;
use super::remote::{self, Checkpoints};
use super::{Batch, Checkpoint, LogStore, Page, Read, StoreError, Watch};
use crate::metrics::{Fault, Skipped, skipped};
use crate::model::AgentId;

/// So many agents' lines are on their way at once.
const AT_ONCE: usize = 8;

/// A store in CloudWatch Logs.
///
/// ```no_run
/// use obs_logs::{CloudWatch, StoreError, aws_sdk_cloudwatchlogs::Client};
///
/// // Region, credentials and TLS are the client's, as `aws_config::load_defaults(BehaviorVersion::latest())` finds them.
/// fn store(client: Client) -> Result<CloudWatch, StoreError> {
///     CloudWatch::in_group(client, "/swarm/agent").build()
/// }
/// ```
///
/// The group is there already, with its retention; streams are made when they are needed. Reading needs the permission
/// `logs:GetLogEvents`, appending `logs:PutLogEvents` and `logs:CreateLogStream`.
///
/// Times are kept to the millisecond. CloudWatch has no sequence numbers: an entry's `seq` is its time in milliseconds since 1970, times a
/// thousand, and its place in that millisecond. Every filter is applied here, to whatever the stream has in the time that is asked for: the
/// patterns of CloudWatch look for words where `q` looks for any text, and know no levels. A search is as fast as CloudWatch gives lines, and `since`
/// makes it short.
///
/// Lines that are older than 14 days or the retention, or more than two hours ahead, are refused for good, and counted in
/// `obs_logs_skipped_total`. CloudWatch keeps what it is sent twice: a line whose acknowledgment was lost, by a crash or on the wire, may be
/// there twice. Lines that reach it later than newer ones of the same agent are not told to who follows or reads on to newer lines.
#[derive(Clone)]
pub struct CloudWatch {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    group: String,
    prefix: String,
    lookback: Duration,
    poll: Duration,
    checkpoints: Checkpoints,
    /// Lines that CloudWatch has of batches that it has not wholly, and how often each: they will be brought again.
    ahead: Mutex<Ahead>,
}

type Ahead = HashMap<(AgentId, Event), usize>;

/// What a [`CloudWatch`] is made of.
pub struct CloudWatchBuilder {
    client: Client,
    group: String,
    prefix: String,
    lookback: Duration,
    poll: Duration,
    timeout: Duration,
    checkpoints: Option<PathBuf>,
}

impl CloudWatch {
    /// The store in this log group.
    #[must_use]
    pub fn in_group(client: Client, group: impl Into<String>) -> CloudWatchBuilder {
        CloudWatchBuilder {
            client,
            group: group.into(),
            prefix: "agent-".to_owned(),
            lookback: Duration::from_secs(7 * 24 * 60 * 60),
            poll: Duration::from_secs(2),
            timeout: Duration::from_secs(30),
            checkpoints: None,
        }
    }
}

impl CloudWatchBuilder {
    /// What stands before an agent's id in the name of its stream, as in that of its pod. Default: `agent-`.
    #[must_use]
    pub fn stream_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How far back is looked where nobody says since when: as long as the group keeps its lines. Default: 7 days.
    #[must_use]
    pub fn lookback(mut self, lookback: Duration) -> Self {
        self.lookback = lookback;
        self
    }

    /// How often it is asked for new lines while somebody follows, two requests each time; an account may send some dozens a
    /// second. Default: 2 seconds.
    #[must_use]
    pub fn poll(mut self, pause: Duration) -> Self {
        self.poll = pause;
        self
    }

    /// How long an answer may take, with what the client tries again, if the client itself has no such bound. Default: 30 seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Where a collector keeps how far it has read. Without it, a restart sends what is in the files anew, and it is there twice.
    #[must_use]
    pub fn checkpoints(mut self, file: impl Into<PathBuf>) -> Self {
        self.checkpoints = Some(file.into());
        self
    }

    /// Makes the store; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// The checkpoints cannot be read.
    pub fn build(self) -> Result<CloudWatch, StoreError> {
        let config = self.client.config();
        let mut timeouts = config.timeout_config().cloned().unwrap_or_else(|| TimeoutConfig::builder().build());
        timeouts.take_defaults_from(&TimeoutConfig::builder().operation_timeout(self.timeout).build());
        let client = Client::from_conf(config.to_builder().timeout_config(timeouts).build());
        Ok(CloudWatch {
            shared: Arc::new(Shared {
                client,
                group: self.group,
                prefix: self.prefix,
                lookback: self.lookback,
                poll: self.poll,
                checkpoints: Checkpoints::open(self.checkpoints)?,
                ahead: Mutex::default(),
            }),
        })
    }
}

impl Shared {
    /// The name of an agent's stream. No two agents share one: what a name of a stream cannot have is written as `%`, then its code.
    fn stream(&self, agent: &AgentId) -> String {
        let mut name = self.prefix.clone();
        for character in agent.as_str().chars() {
            match character {
                ':' | '*' | '%' => name.push_str(&format!("%{:02X}", u32::from(character))),
                _ => name.push(character),
            }
        }
        name
    }

    async fn append(&self, batch: Batch) -> Result<(), StoreError> {
        let mut ahead = self.ahead.lock().await;
        let mut agents = Vec::new();
        for lines in batch.agents() {
            let agent = lines.owner().agent_id.clone();
            let mut events = put::events(lines)?;
            events.retain(|event| ahead.is_empty() || !was_ahead(&mut ahead, &agent, event));
            agents.push((agent, events));
        }
        let mut putting =
            stream::iter(agents).map(|(agent, events)| self.put_all(agent, events)).buffer_unordered(AT_ONCE);
        let (mut there, mut outcome) = (Vec::new(), Ok(()));
        while let Some((put, ended)) = putting.next().await {
            there.extend(put);
            outcome = outcome.and(ended);
        }
        let outcome = outcome.and_then(|()| self.checkpoints.keep(&batch));
        if outcome.is_err() {
            there.into_iter().for_each(|line| *ahead.entry(line).or_default() += 1);
        }
        outcome
    }

    /// Puts an agent's lines into its stream, one request after the other, so that they stay in their order. Gives those that are there.
    async fn put_all(&self, agent: AgentId, events: Vec<Event>) -> (Vec<(AgentId, Event)>, Result<(), StoreError>) {
        let (name, mut there) = (self.stream(&agent), Vec::new());
        for request in put::requests(events) {
            if let Err(err) = self.put(&name, &request).await {
                return (there, Err(err));
            }
            there.extend(request.into_iter().map(|event| (agent.clone(), event)));
        }
        (there, Ok(()))
    }

    async fn put(&self, name: &str, events: &[Event]) -> Result<(), StoreError> {
        let mut outcome = self.send(name, events).await;
        if outcome.as_ref().is_err_and(|err| says(err, PutLogEventsError::is_resource_not_found_exception)) {
            self.create(name).await?;
            outcome = self.send(name, events).await;
        }
        let refused = match outcome {
            Ok(answer) => answer.rejected_log_events_info.map_or(0, |info| put::refused(&info, events.len())),
            // It will never take them.
            Err(err) if says(&err, PutLogEventsError::is_invalid_parameter_exception) => events.len(),
            Err(err) => return Err(failed(err)),
        };
        if refused > 0 {
            skipped(Skipped::Refused, refused as u64);
            obs_runtime::warn!(stream = name, lines = refused, "CloudWatch refuses lines");
        }
        Ok(())
    }

    async fn send(&self, name: &str, events: &[Event]) -> Result<PutLogEventsOutput, SdkError<PutLogEventsError>> {
        let events =
            events.iter().map(|event| InputLogEvent::builder().timestamp(event.time).message(&event.text).build());
        // Time and text are all that an event must have.
        let events = events.collect::<Result<_, _>>().map_err(SdkError::construction_failure)?;
        let request = self.client.put_log_events().log_group_name(&self.group).log_stream_name(name);
        request.set_log_events(Some(events)).send().await
    }

    async fn create(&self, name: &str) -> Result<(), StoreError> {
        let request = self.client.create_log_stream().log_group_name(&self.group).log_stream_name(name);
        match request.send().await {
            Err(err) if !says(&err, CreateLogStreamError::is_resource_already_exists_exception) => Err(failed(err)),
            _ => Ok(()),
        }
    }
}

/// The line is one of those that are there already; that is said once for each time that it is there.
fn was_ahead(ahead: &mut Ahead, agent: &AgentId, event: &Event) -> bool {
    let Entry::Occupied(mut entry) = ahead.entry((agent.clone(), event.clone())) else { return false };
    *entry.get_mut() -= 1;
    if *entry.get() == 0 {
        entry.remove();
    }
    true
}

/// CloudWatch answered, and this was wrong.
fn says<E>(err: &SdkError<E>, what: impl FnOnce(&E) -> bool) -> bool {
    err.as_service_error().is_some_and(what)
}

fn failed<E: ProvideErrorMetadata + Error + Send + Sync + 'static>(err: SdkError<E>) -> StoreError {
    let status = err.raw_response().map(|response| response.status().as_u16());
    let fault = if err.code() == Some("ThrottlingException") { Fault::Throttled } else { Fault::of(status) };
    remote::failed("CloudWatch", fault, status, Some(Box::new(err)))
}

impl LogStore for CloudWatch {
    fn append(&self, batch: Batch) -> BoxFuture<'static, Result<(), StoreError>> {
        let shared = self.shared.clone();
        Box::pin(async move { shared.append(batch).await })
    }

    fn checkpoints(&self) -> BoxFuture<'static, Result<Vec<Checkpoint>, StoreError>> {
        let all = self.shared.checkpoints.all();
        Box::pin(async move { Ok(all) })
    }

    fn read(&self, read: Read) -> BoxFuture<'static, Result<Page, StoreError>> {
        let shared = self.shared.clone();
        Box::pin(async move { get::read(&shared, &read).await })
    }

    fn watch(&self, _: &AgentId) -> Watch {
        Watch::Every(self.shared.poll)
    }
}
