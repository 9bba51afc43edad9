//! Binding and running.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{MetricsText, Readiness, admin, probes};

/// What is served where. Port 0 takes a free one.
pub(crate) struct Settings {
    pub(crate) metrics: SocketAddr,
    pub(crate) metrics_text: MetricsText,
    pub(crate) readiness: Readiness,
    pub(crate) admin: SocketAddr,
    pub(crate) admin_token_file: Option<PathBuf>,
    /// What the runtime itself answers on the administration.
    pub(crate) own: Router,
    /// Routers of the administration with their paths.
    pub(crate) mounts: Vec<(String, Router)>,
}

/// The servers, which are up. They stop at [`stop`](Self::stop), at the shutdown of the telemetry that they belong to, or with
/// the last clone of this.
#[derive(Clone, Debug)]
pub struct Server {
    metrics: SocketAddr,
    admin: SocketAddr,
    stop: Arc<watch::Sender<bool>>,
}

impl Server {
    /// Where `/metrics`, `/healthz` and `/readyz` are.
    #[must_use]
    pub fn metrics_addr(&self) -> SocketAddr {
        self.metrics
    }

    /// Where the administration is.
    #[must_use]
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin
    }

    /// Takes no more connections; requests that are being answered are finished.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until both servers have ended.
    pub async fn stopped(&self) {
        self.stop.closed().await;
    }
}

/// Why the servers are not up. Its `Debug` is its text, as that is what Rust prints of an error that `main` returns.
#[non_exhaustive]
pub enum ServeError {
    /// An address cannot be listened on: its port is in use, or it is not this machine's.
    Bind {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The administration may be reached from other machines, and there is no token.
    OpenAdmin {
        /// Its address.
        addr: SocketAddr,
    },
    /// The file with the token cannot be read, or is empty (then there is no source).
    Token {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: Option<io::Error>,
    },
    /// A router cannot be mounted there: not a path like `/debug/spans`, or taken.
    Mount {
        /// The path.
        path: String,
    },
    /// It was called outside a tokio runtime.
    NoRuntime,
}

impl fmt::Debug for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Bind { addr, source } => write!(f, "cannot listen on {addr}: {source}"),
            ServeError::OpenAdmin { addr } => {
                write!(f, "{addr} can be reached from other machines: the administration needs `admin_token_file`")
            }
            ServeError::Token { path, source: Some(source) } => {
                write!(f, "cannot read the token in {}: {source}", path.display())
            }
            ServeError::Token { path, source: None } => write!(f, "there is no token in {}", path.display()),
            ServeError::Mount { path } => {
                write!(
                    f,
                    "cannot mount at `{path}`: it takes a path like `/debug/spans` that nothing else is mounted at"
                )
            }
            ServeError::NoRuntime => f.write_str("the servers need a tokio runtime around the call"),
        }
    }
}

impl Error for ServeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ServeError::Bind { source, .. } | ServeError::Token { source: Some(source), .. } => Some(source),
            _ => None,
        }
    }
}

/// Binds both servers, starts them on the runtime around, and declares the service ready.
///
/// # Errors
/// When one of them cannot be started; then none is.
pub(crate) async fn start(settings: Settings) -> Result<Server, ServeError> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(ServeError::NoRuntime);
    }
    let token = settings.admin_token_file.as_deref().map(admin::token).transpose()?;
    if token.is_none() && !settings.admin.ip().is_loopback() {
        return Err(ServeError::OpenAdmin { addr: settings.admin });
    }
    let admin = admin::router(settings.own, settings.mounts, token)?;
    let metrics = probes::router(settings.metrics_text, settings.readiness.clone());
    let (metrics_listener, metrics_addr) = bind(settings.metrics).await?;
    let (admin_listener, admin_addr) = bind(settings.admin).await?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(run(metrics_listener, metrics, stopped.clone()));
    tokio::spawn(run(admin_listener, admin, stopped));
    settings.readiness.set(true);
    Ok(Server { metrics: metrics_addr, admin: admin_addr, stop: Arc::new(stop) })
}

async fn bind(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Bind { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

async fn run(listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) {
    let mut signal = stopped.clone();
    // An error of the wait means that the last `Server` is gone.
    let signal = async move { drop(signal.wait_for(|stop| *stop).await) };
    // It has no errors: those of single connections are its own affair.
    let _ = axum::serve(listener, router).with_graceful_shutdown(signal).await;
    // Held until here, as its end says that this server has ended.
    stopped.mark_unchanged();
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    fn settings() -> Settings {
        Settings {
            metrics: ([127, 0, 0, 1], 0).into(),
            metrics_text: Arc::new(|_, flush| {
                flush(&mut "up 1\n".to_owned());
            }),
            readiness: Readiness::default(),
            admin: ([127, 0, 0, 1], 0).into(),
            admin_token_file: None,
            own: Router::new(),
            mounts: vec![("/debug".to_owned(), Router::new().route("/spans", get(|| async { "spans" })))],
        }
    }

    /// The head and the body of the answer.
    async fn ask(addr: SocketAddr, path: &str, headers: &str) -> (String, String) {
        let mut stream = TcpStream::connect(addr).await.expect("the server is up");
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("the server reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("the server answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (head.to_ascii_lowercase(), body.to_owned())
    }

    fn status(head: &str) -> &str {
        head.split(' ').nth(1).expect("a status")
    }

    #[tokio::test]
    async fn metrics_have_the_content_type_of_their_format() {
        let server = start(settings()).await.expect("free ports");
        let (head, body) = ask(server.metrics_addr(), "/metrics", "").await;
        assert_eq!((status(&head), &*body), ("200", "up 1\n"));
        assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
        assert_eq!(status(&ask(server.metrics_addr(), "/debug/spans", "").await.0), "404", "not the administration");
    }

    #[tokio::test]
    async fn a_callback_that_panics_is_an_error_of_the_scrape_alone() {
        let settings = Settings { metrics_text: Arc::new(|_, _| panic!("a callback")), ..settings() };
        let server = start(settings).await.expect("free ports");
        assert_eq!(status(&ask(server.metrics_addr(), "/metrics", "").await.0), "500");
        assert_eq!(status(&ask(server.metrics_addr(), "/healthz", "").await.0), "200");
    }

    #[tokio::test]
    async fn it_is_ready_while_it_serves_and_every_check_says_yes() {
        let database = Arc::new(AtomicBool::new(false));
        let settings = settings();
        let readiness = settings.readiness.clone();
        assert!(!readiness.missing().is_empty(), "before it serves");
        let seen = Arc::clone(&database);
        readiness.add("database", move || seen.load(Relaxed));
        let server = start(settings).await.expect("free ports");
        let ready = || ask(server.metrics_addr(), "/readyz", "");

        let (head, body) = ready().await;
        assert_eq!((status(&head), &*body), ("503", "database\n"));
        database.store(true, Relaxed);
        assert_eq!(status(&ready().await.0), "200");
        readiness.add("cache", || panic!("a check"));
        assert_eq!(ready().await.1, "cache\n");
        readiness.add("cache", || true);
        assert_eq!(status(&ready().await.0), "200");
        readiness.set(false);
        assert_eq!(status(&ready().await.0), "503");
        assert_eq!(status(&ask(server.metrics_addr(), "/healthz", "").await.0), "200", "alive all the while");
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let first = start(settings()).await.expect("free ports");
        let taken = first.metrics_addr();
        let err = start(Settings { metrics: taken, ..settings() }).await.expect_err("the port is in use");
        assert!(matches!(err, ServeError::Bind { addr, .. } if addr == taken), "{err}");
        let err = start(Settings { admin: taken, ..settings() }).await.expect_err("the port is in use");
        assert!(err.to_string().starts_with(&format!("cannot listen on {taken}: ")), "{err}");
    }

    #[tokio::test]
    async fn mounted_routers_are_on_the_administration() {
        let mut mounts = settings().mounts;
        mounts.push(("/".to_owned(), Router::new().route("/page", get(|| async { "page" }))));
        let server = start(Settings { mounts, ..settings() }).await.expect("free ports");
        assert_eq!(ask(server.admin_addr(), "/debug/spans", "").await.1, "spans");
        assert_eq!(ask(server.admin_addr(), "/page", "").await.1, "page");
    }

    #[tokio::test]
    async fn a_path_that_cannot_be_mounted_is_an_error_and_not_a_panic() {
        for wrong in ["", "debug", "/debug/", "//", "/{id}", "/*rest", "/debug"] {
            let mut mounts = settings().mounts;
            mounts.push((wrong.to_owned(), Router::new()));
            let err = start(Settings { mounts, ..settings() }).await.expect_err("cannot be mounted");
            assert!(matches!(err, ServeError::Mount { path } if path == wrong));
        }
    }

    #[tokio::test]
    async fn the_administration_asks_for_its_token() {
        let path = std::env::temp_dir().join(format!("obs-token-{}", std::process::id()));
        std::fs::write(&path, "secret\n").expect("the temporary directory can be written");
        let server = start(Settings { admin_token_file: Some(path.clone()), ..settings() }).await.expect("free ports");
        std::fs::remove_file(&path).expect("it is there");
        let (head, _) = ask(server.admin_addr(), "/debug/spans", "").await;
        assert_eq!(status(&head), "401");
        assert!(head.contains("www-authenticate: bearer"), "{head}");
        for wrong in ["Bearer secre", "Bearer secrets", "Basic secret", "secret", "Bearer"] {
            let (head, _) = ask(server.admin_addr(), "/debug/spans", &format!("authorization: {wrong}\r\n")).await;
            assert_eq!(status(&head), "401", "{wrong}");
        }
        assert_eq!(ask(server.admin_addr(), "/debug/spans", "authorization: bearer secret\r\n").await.1, "spans");
        let (head, _) = ask(server.admin_addr(), "/nowhere", "").await;
        assert_eq!(status(&head), "401", "what is not there is not told to strangers either");
        assert_eq!(status(&ask(server.metrics_addr(), "/metrics", "").await.0), "200", "metrics need none");
    }

    #[tokio::test]
    async fn an_open_administration_without_a_token_is_refused() {
        let open = Settings { admin: ([0, 0, 0, 0], 0).into(), ..settings() };
        assert!(matches!(start(open).await, Err(ServeError::OpenAdmin { .. })));
        let missing = Settings { admin_token_file: Some("/nowhere/token".into()), ..settings() };
        assert!(matches!(start(missing).await, Err(ServeError::Token { source: Some(_), .. })));
    }

    #[tokio::test]
    async fn after_stop_nobody_listens() {
        let server = start(settings()).await.expect("free ports");
        server.stop();
        server.stopped().await;
        assert!(TcpStream::connect(server.metrics_addr()).await.is_err());
        assert!(TcpStream::connect(server.admin_addr()).await.is_err());
    }

    #[test]
    fn without_a_runtime_it_is_an_error_and_not_a_panic() {
        let mut future = std::pin::pin!(start(settings()));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let result = future.as_mut().poll(&mut context);
        assert!(matches!(result, std::task::Poll::Ready(Err(ServeError::NoRuntime))));
    }
}
