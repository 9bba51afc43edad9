//! Servers of others that a test starts: a real Prometheus, a real Alertmanager.
#![allow(dead_code)]

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take to show.
const PATIENCE: Duration = Duration::from_secs(90);

/// A process that ends with its test.
pub(crate) struct Server {
    child: Child,
    pub(crate) addr: SocketAddr,
}

impl Server {
    /// `program` with `--config.file`, listening on a port that was free a moment ago: it takes none of its own choice.
    pub(crate) fn start(program: &Path, config: &Path, arguments: &[&str]) -> Self {
        let addr = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let child = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--web.listen-address={addr}"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        Server { child, addr }
    }

    /// The answer to `GET path?parameters`, once there is one.
    pub(crate) async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let url = format!("http://{}{path}", self.addr);
        let url = reqwest::Url::parse_with_params(&url, parameters).expect("a URL");
        let Ok(response) = reqwest::get(url).await else { return Value::Null };
        response.json().await.unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `look` finds, once it finds something. Looks again and again, as none of the servers tells when it has something new.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
