//! `doctor`: what this machine and this build can do, for a person and for a bug report.

use crate::plugins::SearchPath;
use crate::stdout;
use crate::wiring;
use iterit_core::Result;

pub(crate) fn run() -> Result<()> {
    let line = |name: &str, value: String| stdout::line(format_args!("{name:<12}{value}"));
    line("iterit", format!("{} ({})", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH));
    for (name, value) in iterit_torch::diagnose() {
        line(name, value);
    }
    line("threads", wiring::threads().to_string());
    match SearchPath::new(&[]) {
        Err(error) => line("plugins", error.to_string()),
        Ok(search_path) => {
            let offers = search_path.offers();
            line("plugins", format!("{} found", offers.len()));
            for found in offers {
                stdout::line(format_args!(
                    "            {} {} ({}) {}",
                    found.scorer.name,
                    found.manifest.version,
                    found.kind().name(),
                    found.path.display()
                ));
            }
        }
    }
    Ok(())
}
