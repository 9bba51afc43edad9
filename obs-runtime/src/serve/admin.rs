//! What people ask: the runtime itself, and the routers mounted on the administration, behind a token where one is set.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;

use super::server::ServeError;

/// The routers at their paths, under what the runtime itself answers: its routes win.
///
/// # Errors
/// A path that cannot be mounted, or is mounted twice: axum would panic.
pub(super) fn router(own: Router, mounts: Vec<(String, Router)>, token: Option<String>) -> Result<Router, ServeError> {
    let mut paths: Vec<String> = Vec::new();
    let mut admin = Router::new();
    for (path, router) in mounts {
        if !can_be_mounted(&path) || paths.contains(&path) {
            return Err(ServeError::Mount { path });
        }
        admin = if path == "/" { admin.fallback_service(router) } else { admin.nest(&path, router) };
        paths.push(path);
    }
    // As a fallback, because two routers that are merged must not have a route in common.
    let admin = own.fallback_service(admin);
    Ok(match token {
        Some(token) => {
            let token = Token::new(token);
            admin.layer(from_fn(move |request, next| authorized(token.clone(), request, next)))
        }
        None => admin,
    })
}

/// A path of plain segments, or the root.
fn can_be_mounted(path: &str) -> bool {
    let segment = |segment: &str| {
        !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    path == "/" || path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment))
}

/// The token in a file, without the white space around it.
pub(super) fn token(path: &Path) -> Result<String, ServeError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ServeError::Token { path: path.to_owned(), source: Some(source) })?;
    match text.trim() {
        "" => Err(ServeError::Token { path: path.to_owned(), source: None }),
        token => Ok(token.to_owned()),
    }
}

/// A token that can be compared without telling by the time it takes how much of it was right.
#[derive(Clone)]
struct Token(Arc<(RandomState, u64, String)>);

impl Token {
    fn new(token: String) -> Self {
        let state = RandomState::new();
        let hash = state.hash_one(&*token);
        Token(Arc::new((state, hash, token)))
    }

    fn is(&self, given: &str) -> bool {
        let (state, hash, token) = &*self.0;
        // The keys of the hash are secret: only whoever has the token reaches the comparison.
        state.hash_one(given) == *hash && given == *token
    }
}

async fn authorized(token: Token, request: Request, next: Next) -> axum::response::Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer =
        given.and_then(|given| given.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match bearer {
        Some((_, given)) if token.is(given.trim()) => next.run(request).await,
        _ => (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], "a bearer token is needed\n")
            .into_response(),
    }
}
