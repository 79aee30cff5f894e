//! YAML files, and so JSON files: a small tree of nodes that know where they stand, for messages that name line and path.
//!
//! [`parse()`] reads one document and is bounded in bytes, depth and nodes, whatever the aliases in it expand to. A node is
//! not typed: `as_integer` and its like read a scalar by the core schema of YAML 1.2 (chapter 10.3), so `yes` and `on` are
//! text here, and `010` is ten. Beyond the schema, a merge key (`<<`, from YAML 1.1) is understood, because files that were
//! written for other programs have it.

mod flow;
mod node;
mod parse;

pub use flow::flow;
pub use node::{Node, NodeKind, NodePath};
pub use parse::{MOST_BYTES, YamlFault, parse};

#[cfg(test)]
mod tests;
