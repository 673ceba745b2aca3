//! Chat templates that come with the program, each written to give the text of the published one.

/// Names and sources, in the order of the documentation.
pub(super) const BUILTIN: [(&str, &str); 7] = [
    ("llama-3.1", include_str!("templates/llama-3.1.jinja")),
    ("llama-3", include_str!("templates/llama-3.jinja")),
    ("llama-2", include_str!("templates/llama-2.jinja")),
    ("mistral", include_str!("templates/mistral.jinja")),
    ("qwen-2.5", include_str!("templates/qwen-2.5.jinja")),
    ("chatml", include_str!("templates/chatml.jinja")),
    ("alpaca", include_str!("templates/alpaca.jinja")),
];
