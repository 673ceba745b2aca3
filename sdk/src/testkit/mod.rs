//! For a plugin's own tests, with no model and no libtorch: a deterministic [`FakeHost`], and
//! conformance suites that hold a scorer to what the trainer relies on.
//!
//! The suites reach a plugin the way the trainer does, over the real ABI adapters.
//!
//! ```
//! # use iterit_sdk::{ComplexityScorer, Host, NoOptions, Plugin, Result, SampleId, Score};
//! # struct Length;
//! # impl Plugin for Length {
//! #     type Options = NoOptions;
//! #     fn new(_: NoOptions) -> Result<Self> { Ok(Self) }
//! # }
//! # impl ComplexityScorer for Length {
//! #     fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
//! #         let counts = host.token_counts(ids)?;
//! #         Ok(counts.iter().map(|count| Score::eligible(count.response.into())).collect())
//! #     }
//! # }
//! // In a plugin's crate, under `#[cfg(test)]`:
//! iterit_sdk::conformance!(length_conforms: complexity Length);
//! ```

mod fake_host;
mod through_abi;

mod verdict;
mod subject;

mod complexity;
mod diversity;
mod strategy;

#[cfg(test)]
mod tests;

pub use fake_host::FakeHost;
pub use subject::Subject;
pub use through_abi::{complexity, diversity, strategy};
pub use verdict::{PendingCheck, Verdict};

/// Makes a test out of the conformance suite of a kind.
///
/// The options are those of the scorer as JSON, `{}` unless given. A check that does not apply can be
/// left out by its name, which stands in front of the failure it reports.
///
/// ```text
/// conformance!(ifd_conforms: complexity Ifd);
/// conformance!(by_loss_conforms: complexity Ifd, options: r#"{"definition": "loss_ratio"}"#);
/// conformance!(neighbours_conform: complexity Neighbours, except: ["asks only for its samples"]);
/// ```
#[macro_export]
macro_rules! conformance {
    ($test:ident: $kind:ident $scorer:ty
        $(, options: $options:expr)?
        $(, except: [$($check:literal),+ $(,)?])?
        $(,)?
    ) => {
        #[test]
        fn $test() {
            $crate::testkit::Subject::$kind::<$scorer>()
                $(.with_options($options))?
                $(.except(&[$($check),+]))?
                .assert_conforms();
        }
    };
}
