//! Files that are built in: examples of what a file may say of a system, and a beginning of one's own.

/// All of them, by the name that `--print` knows.
pub const EXAMPLES: [(&str, &str); 4] = [
    ("fibonacci", include_str!("examples/fibonacci.yaml")),
    ("counter", include_str!("examples/counter.yaml")),
    ("pipeline", include_str!("examples/pipeline.yaml")),
    ("proxy", include_str!("examples/proxy.yaml")),
];
