use std::error::Error;
use std::fmt;
use std::path::PathBuf;

type Source = Box<dyn Error + Send + Sync>;

/// Why no exporter can be made from a configuration.
#[derive(Debug)]
#[non_exhaustive]
pub enum OtlpError {
    /// `otlp_endpoint` is not the address of a server.
    Endpoint {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        source: Source,
    },
    /// `otlp_headers` has a header that cannot be sent.
    Header {
        /// The header's name.
        name: String,
    },
    /// A certificate or a key cannot be read.
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Source,
    },
    /// TLS cannot be set up.
    Tls {
        /// Why.
        source: Source,
    },
}

impl fmt::Display for OtlpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OtlpError::Endpoint { endpoint, .. } => write!(f, "`{endpoint}` is not the address of a collector"),
            OtlpError::Header { name } => write!(f, "the header `{name}` cannot be sent"),
            OtlpError::Certificate { path, .. } => write!(f, "`{}` cannot be used for TLS", path.display()),
            OtlpError::Tls { .. } => f.write_str("TLS cannot be set up"),
        }
    }
}

impl Error for OtlpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            OtlpError::Endpoint { source, .. } | OtlpError::Certificate { source, .. } | OtlpError::Tls { source } => {
                Some(&**source)
            }
            OtlpError::Header { .. } => None,
        }
    }
}
