//! Tests across crates, in one binary: a module a feature.

mod golden;

mod tfidf;
