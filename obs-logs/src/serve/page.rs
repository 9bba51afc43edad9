//! Lines in one answer.

use std::time::{Duration, Instant};

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use obs_runtime::{observed, record};
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::admit::Admitted;
use super::params::Order;
use super::refusal::Refusal;
use crate::model::Entry;
use crate::store::{Direction, LogStore, Page, Read, Start, StoreError};

/// A search is given up after so long, and answered with what it found.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lines of an agent.
#[derive(Serialize, ToSchema)]
pub(super) struct LogPage {
    /// The lines, in the order that was asked for.
    logs: Vec<Entry>,
    /// Reads on right behind the last line; `null` where there is nothing older.
    #[schema(required = true)]
    next_token: Option<String>,
}

impl IntoResponse for LogPage {
    fn into_response(self) -> Response {
        ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(self)).into_response()
    }
}

#[observed(name = "logs.page", agent_id = admitted.agent.as_str(), late(lines))]
pub(super) async fn page(shared: &Shared, admitted: &Admitted) -> Result<LogPage, Refusal> {
    let tail = admitted.params.tail;
    let (page, next) = match (admitted.params.order, admitted.cursor) {
        (Order::Asc, None) => {
            let page = newest(&*shared.store, admitted, tail).await?;
            let next = Some(page.began);
            (page, next)
        }
        (Order::Asc, Some(cursor)) => {
            let page = gather(&*shared.store, admitted.read(Start::After(cursor), Direction::Forward, tail)).await?;
            let next = Some(page.ended);
            (page, next)
        }
        (Order::Desc, cursor) => {
            let start = cursor.map_or(Start::Outside, Start::After);
            let page = gather(&*shared.store, admitted.read(start, Direction::Backward, tail)).await?;
            let next = (!page.done).then_some(page.ended);
            (page, next)
        }
    };
    record!(lines = page.found.len());
    Ok(LogPage {
        next_token: next.map(|cursor| shared.key.seal(&admitted.bound, cursor)),
        logs: page.found.into_iter().map(|found| found.entry).collect(),
    })
}

/// The newest lines that match, the oldest of them first; `began` is where new ones will come.
pub(super) async fn newest(store: &dyn LogStore, admitted: &Admitted, tail: usize) -> Result<Page, StoreError> {
    let mut page = gather(store, admitted.read(Start::Outside, Direction::Backward, tail)).await?;
    page.found.reverse();
    Ok(page)
}

/// Reads until there are as many lines as wanted, or no more, or it takes too long.
async fn gather(store: &dyn LogStore, mut read: Read) -> Result<Page, StoreError> {
    let begun = Instant::now();
    let wanted = read.limit;
    let mut all = store.read(read.clone()).await?;
    while !all.done && all.found.len() < wanted && begun.elapsed() < PATIENCE {
        read.start = Start::After(all.ended);
        read.limit = wanted - all.found.len();
        let page = store.read(read.clone()).await?;
        all.found.extend(page.found);
        (all.ended, all.done) = (page.ended, page.done);
    }
    Ok(all)
}
