//! The list of all paths, for people and for programs: what `GET /api` answers. A path that does different things by its
//! method has a row for each.

use serde_json::{Value, json};

use crate::openapi::{operations, summary};

/// A path, the methods that do the same there, and what that is.
struct Row {
    path: &'static str,
    methods: Vec<String>,
    summary: String,
}

fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (path, route, method) in operations() {
        let (summary, method) = (summary(path, route, method), format!("{method:?}").to_uppercase());
        match rows.iter_mut().find(|row| row.path == path && row.summary == summary) {
            Some(row) => row.methods.push(method),
            None => rows.push(Row { path, methods: vec![method], summary }),
        }
    }
    rows
}

/// In columns.
pub(crate) fn text() -> String {
    let rows = rows();
    let width = |of: &dyn Fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or_default();
    let (paths, methods) = (width(&|row| row.path.len()), width(&|row| row.methods.join(" ").len()));
    let line = |row: &Row| format!("{:paths$}  {:methods$}  {}\n", row.path, row.methods.join(" "), row.summary);
    rows.iter().map(line).collect()
}

/// In JSON.
pub(crate) fn list() -> Value {
    let row = |row: Row| json!({ "path": row.path, "methods": row.methods, "summary": row.summary });
    rows().into_iter().map(row).collect()
}
