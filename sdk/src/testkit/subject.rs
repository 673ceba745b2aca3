//! What a suite is run on: a way to make a scorer, whether from a type in this crate or from a
//! loaded library.

use super::{
    fake_host::FakeHost,
    through_abi,
    verdict::{Outcome, Verdict, ensure, fails},
};
use crate::{
    ComplexityScorer, DiversityScorer, ErrorKind, Plugin, Result, Service, UpdateStrategy,
};

/// A plugin to be checked.
pub struct Subject<S: ?Sized> {
    new: Box<Constructor<S>>,
    options: String,
    default_options: Result<String>,
    services: Vec<Service>,
    except: Vec<&'static str>,
}

type Constructor<S> = dyn Fn(&str) -> Result<Box<S>> + Send + Sync;

impl Subject<dyn ComplexityScorer> {
    /// The complexity scorer `T`, over the ABI.
    pub fn complexity<T: Plugin + ComplexityScorer + 'static>() -> Self {
        Self::of::<T>(through_abi::complexity::<T>)
    }
}

impl Subject<dyn DiversityScorer> {
    /// The diversity scorer `T`, over the ABI.
    pub fn diversity<T: Plugin + DiversityScorer + 'static>() -> Self {
        Self::of::<T>(through_abi::diversity::<T>)
    }
}

impl Subject<dyn UpdateStrategy> {
    /// The update strategy `T`, over the ABI.
    pub fn strategy<T: Plugin + UpdateStrategy + 'static>() -> Self {
        Self::of::<T>(through_abi::strategy::<T>)
    }
}

impl<S: ?Sized + 'static> Subject<S> {
    /// Whatever `new` makes from options as JSON; `services` are those its manifest names.
    pub fn new(
        new: impl Fn(&str) -> Result<Box<S>> + Send + Sync + 'static,
        default_options: Result<String>,
        services: &[Service],
    ) -> Self {
        Self {
            new: Box::new(new),
            options: "{}".into(),
            default_options,
            services: services.to_vec(),
            except: Vec::new(),
        }
    }

    fn of<T: Plugin>(new: fn(&str) -> Result<Box<S>>) -> Self {
        Self::new(new, crate::adapter::plugin::default_options::<T>(), T::SERVICES)
    }

    /// With these options, as JSON.
    #[must_use]
    pub fn with_options(mut self, options: &str) -> Self {
        options.clone_into(&mut self.options);
        self
    }

    /// Without these checks.
    #[must_use]
    pub fn except(mut self, checks: &[&'static str]) -> Self {
        self.except.extend(checks);
        self
    }

    /// The checks to leave out.
    pub(super) fn left_out(&self) -> &[&'static str] {
        &self.except
    }

    /// Makes one, with the options set.
    pub(super) fn make(&self) -> std::result::Result<Box<S>, String> {
        (self.new)(&self.options).map_err(|error| format!("new: {error}"))
    }

    /// A host that offers what the plugin declares, so that what it does not declare fails.
    pub(super) fn host(&self, model: u64) -> FakeHost {
        FakeHost::new(model).offering(&self.services)
    }

    /// Whether a service is declared.
    pub(super) fn declares(&self, service: Service) -> bool {
        self.services.contains(&service)
    }

    /// Whether its answers depend on the model being trained.
    pub(super) fn depends_on_the_model(&self) -> bool {
        let asks_a_model =
            self.services.iter().any(|s| !matches!(s, Service::Proxy | Service::TargetSamples));
        asks_a_model && !self.declares(Service::Proxy)
    }

    /// An option nobody has must be an error of the options.
    pub(super) fn refuses_unknown_options(&self) -> Outcome {
        let made = (self.new)(r#"{"no-such-option": 1}"#);
        let advice = "add `#[serde(deny_unknown_fields)]` to its Options";
        let error = fails(made, &format!("an unknown option was accepted: {advice}"))?;
        ensure(error.kind() == ErrorKind::Options, || {
            format!("an unknown option was refused with: {error}")
        })
    }

    /// What `plugins list` shows as defaults can be written into a configuration.
    pub(super) fn reads_its_own_defaults(&self) -> Outcome {
        let defaults = match &self.default_options {
            Ok(defaults) => defaults,
            Err(error) => return Err(format!("its default options cannot be shown: {error}")),
        };
        match (self.new)(defaults).map(drop) {
            Err(error) if error.message().contains("unknown field") => {
                Err(format!("its own defaults {defaults} are refused: {error}"))
            }
            // A default that asks to be set, such as the path of a file, may be refused.
            _ => Ok(()),
        }
    }
}

/// Turns a suite into a test.
macro_rules! suite {
    ($scorer:path, $checks:expr) => {
        impl $crate::testkit::Subject<dyn $scorer> {
            /// The checks of this kind's suite, to be run one by one.
            pub fn checks(&self) -> impl Iterator<Item = $crate::testkit::PendingCheck<'_, Self>> {
                $crate::testkit::verdict::pending($checks, self.left_out(), self)
            }

            /// Runs every check.
            pub fn verdicts(&self) -> Vec<$crate::testkit::Verdict> {
                self.checks().map($crate::testkit::PendingCheck::run).collect()
            }

            /// Panics with every check that failed.
            #[track_caller]
            pub fn assert_conforms(&self) {
                $crate::testkit::subject::assert_all(&self.verdicts());
            }
        }
    };
}
pub(super) use suite;

#[track_caller]
pub(super) fn assert_all(verdicts: &[Verdict]) {
    let failed: Vec<_> = verdicts
        .iter()
        .filter_map(|verdict| Some(format!("{}: {}", verdict.check, verdict.failure.as_ref()?)))
        .collect();
    assert!(failed.is_empty(), "the plugin does not conform:\n  {}", failed.join("\n  "));
}
