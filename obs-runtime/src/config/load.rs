use std::collections::BTreeMap;

use super::error::{ConfigError, Mistake, Place};
use super::keys::{self, KEYS, Key, did_you_mean};
use super::value::Value;
use super::{ObservabilityConfig, environment, file, otel};

/// Variables that begin with `OBS_` and are no keys.
const NO_KEYS: [&str; 3] = ["OBS_CONFIG", environment::CLOCK, "OBS_REQUIRE_ENGINES"];

impl ObservabilityConfig {
    /// The configuration of this process: its defaults, under the file that `OBS_CONFIG` names (else `obs.toml` in the working
    /// directory, if there), under `OTEL_*`, under `OBS_*`; `RUST_LOG` is over all for the filter. Where the pod runs is taken from the variables that its
    /// manifest fills by Kubernetes' downward API (`POD_NAME`, `POD_NAMESPACE`, `POD_UID`, `NODE_NAME`, `CONTAINER_NAME`).
    ///
    /// # Errors
    /// Everything that is wrong in the file and in `OBS_*`, at once. What is wrong in `OTEL_*` and `RUST_LOG` falls back and is
    /// found in [`warnings`](Self::warnings), as their specifications ask.
    pub fn load() -> Result<Self, ConfigError> {
        Self::load_from(environment::variables())
    }

    /// The same from these variables instead of the environment's.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_from<N, V>(variables: impl IntoIterator<Item = (N, V)>) -> Result<Self, ConfigError>
    where
        N: Into<String>,
        V: Into<String>,
    {
        // An empty variable is unset, by OpenTelemetry's specification.
        let variables: BTreeMap<String, String> = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .filter(|(_, value)| !value.trim().is_empty())
            .collect();
        let variable = |name: &str| variables.get(name).cloned();
        let mut loading = Loading::default();
        otel::downward(&mut loading.config, variable);
        loading.layer(|loading| loading.file(variable("OBS_CONFIG").as_deref()));
        otel::apply(&mut loading.config, variable);
        loading.layer(|loading| loading.variables(&variables));
        if let Some(filter) = variable("RUST_LOG") {
            loading.rust_log(filter);
        }
        loading.finish()
    }

    /// Judges the values as they stand, for a configuration that the program has made or changed.
    ///
    /// # Errors
    /// Every value that is not allowed.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut mistakes: Vec<Mistake> = KEYS
            .iter()
            .filter_map(|key| {
                let allowed = (key.check)(self).err()?;
                let message = format!("the value of `{}` is not allowed; it takes {allowed}", key.name);
                Some(Mistake { place: Place::Program, key: Some(key.name.to_owned()), message })
            })
            .collect();
        mistakes.extend(open_admin(self, Place::Program));
        ConfigError::unless_empty(mistakes)
    }
}

/// The administration may not be reached from other machines by whoever likes.
fn open_admin(config: &ObservabilityConfig, place: Place) -> Option<Mistake> {
    (!config.admin_address.is_loopback() && config.admin_token_file.is_none()).then(|| Mistake {
        place,
        key: Some("admin_address".to_owned()),
        message: format!(
            "`admin_address` is `{}`, which other machines may reach; that needs `admin_token_file`",
            config.admin_address
        ),
    })
}

#[derive(Default)]
struct Loading {
    config: ObservabilityConfig,
    mistakes: Vec<Mistake>,
    /// Where `admin_address` was set last, as its rule needs another key too.
    admin_address: Option<Place>,
}

impl Loading {
    /// Applies one layer, in which `service_name` is over the resource's `service.name`, and both are over the layers below.
    fn layer(&mut self, apply: impl FnOnce(&mut Self)) {
        let below = self.config.service_name.take();
        apply(self);
        let in_resource = self.config.resource.remove("service.name");
        let here = self.config.service_name.take();
        self.config.service_name = here.or(in_resource).or(below);
    }

    fn file(&mut self, named: Option<&str>) {
        for (place, name, value) in file::read(named, &mut self.mistakes) {
            match KEYS.iter().find(|key| key.name == name) {
                Some(key) => self.set(key, place, &value),
                None => {
                    let names = KEYS.iter().map(|key| key.name);
                    let hint =
                        did_you_mean(&name, names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                    let message = format!("there is no key `{}`{hint}", name.escape_debug());
                    self.mistakes.push(Mistake { place, key: Some(name), message });
                }
            }
        }
    }

    fn variables(&mut self, variables: &BTreeMap<String, String>) {
        for key in &KEYS {
            if let Some(value) = variables.get(&key.variable()) {
                self.set(key, Place::Variable(key.variable()), &Value::Variable(value.clone()));
            }
        }
        if let Some(clock) = variables.get(environment::CLOCK).filter(|clock| *clock != environment::STD) {
            let message = format!("`{}` is `{}`; it takes `std`", environment::CLOCK, clock.escape_debug());
            self.mistakes.push(Mistake { place: Place::Variable(environment::CLOCK.to_owned()), key: None, message });
        }
        // Somebody else's variable may begin with `OBS_` (Kubernetes makes `OBS_SERVICE_HOST` for a service `obs`), so an
        // unknown one is only worth a word if it looks like a misspelled key.
        let known: Vec<String> = KEYS.iter().map(Key::variable).collect();
        for name in variables.keys().filter(|name| name.starts_with("OBS_") && !NO_KEYS.contains(&name.as_str())) {
            if !known.contains(name)
                && let Some(near) = did_you_mean(name, known.iter().map(String::as_str))
            {
                self.config.warnings.push(format!("{name}: no such variable; did you mean `{near}`?"));
            }
        }
    }

    fn set(&mut self, key: &Key, place: Place, value: &Value) {
        let mut config = self.config.clone();
        match (key.set)(&mut config, value).and_then(|()| (key.check)(&config)) {
            Ok(()) => {
                if key.name == "admin_address" {
                    self.admin_address = Some(place);
                }
                self.config = config;
            }
            Err(allowed) => {
                let value = if key.secret { "[redacted]".to_owned() } else { value.to_string() };
                let message = format!("`{}` is `{value}`; it takes {allowed}", key.name);
                self.mistakes.push(Mistake { place, key: Some(key.name.to_owned()), message });
            }
        }
    }

    fn rust_log(&mut self, filter: String) {
        match keys::filter(&filter) {
            Ok(()) => self.config.log_level = filter,
            Err(allowed) => self.config.warnings.push(format!(
                "RUST_LOG: `{}` is ignored, and the filter is `{}`; it takes {allowed}",
                filter.escape_debug(),
                self.config.log_level
            )),
        }
    }

    fn finish(mut self) -> Result<ObservabilityConfig, ConfigError> {
        let place = self.admin_address.unwrap_or(Place::Program);
        self.mistakes.extend(open_admin(&self.config, place));
        ConfigError::unless_empty(self.mistakes)?;
        Ok(self.config)
    }
}
