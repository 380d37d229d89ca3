//! What holds for the connections, the tables and each statement of the room.

use super::*;
use rusqlite::ErrorCode;
use std::fs;

fn pragma(db: &Connection, name: &str) -> String {
    let value: rusqlite::types::Value = db.pragma_query_value(None, name, |row| row.get(0)).unwrap();
    format!("{value:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_writer_logs_ahead_waits_for_the_disk_and_keeps_foreign_keys() {
    for (sync_every_commit, synchronous) in [(true, "Integer(2)"), (false, "Integer(1)")] {
        let directory = TempDir::new().unwrap();
        let options = Options { sync_every_commit, ..options(directory.path()) };
        let (store, _committed) = Store::open(&options, &no_progress()).unwrap();
        let names = ["journal_mode", "synchronous", "foreign_keys", "trusted_schema", "query_only"];
        let found = store.writer.write(move |batch| Ok(names.map(|name| pragma(batch.db, name)))).await.unwrap();
        assert_eq!(found, ["Text(\"wal\")", synchronous, "Integer(1)", "Integer(0)", "Integer(0)"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_cannot_write() {
    let (_directory, store, _committed) = open_new();
    let write = |db: &Connection| Ok(db.execute("DELETE FROM accounts", []).unwrap_err().sqlite_error_code());
    assert_eq!(store.readers.read(write).await.unwrap(), Some(ErrorCode::ReadOnly));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_is_strict() {
    let (directory, _store, _committed) = open_new();
    let db = foreign(directory.path());
    let own = "FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    assert_eq!(number(&db, &format!("SELECT count(*) {own}")), 11);
    assert_eq!(number(&db, &format!("SELECT count(*) {own} AND strict = 0")), 0);
}

/// The texts of all statements in the room: the literals in calls of `prepare_cached`.
fn statements() -> Vec<String> {
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let folders = [room.clone(), room.join("retention")];
    let sources = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
    let mut statements = Vec::new();
    for source in sources.filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        let text = fs::read_to_string(&source).unwrap();
        assert!(
            !text.contains(".prepare(") && !text.contains(".execute(\""),
            "{}: not to be seen here",
            source.display()
        );
        for call in text.split("prepare_cached(").skip(1) {
            let literal = call.trim_start().strip_prefix('"').expect("a statement is written where it is prepared");
            statements.push(literal.split_once('"').unwrap().0.to_owned());
        }
    }
    statements.sort_unstable();
    statements
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_finds_its_rows_by_an_index() {
    let (directory, _store, _committed) = open_new();
    let db = foreign(directory.path());
    let statements = statements();
    assert!(statements.len() >= 14, "some were not found: {statements:#?}");
    let mut plans = Vec::new();
    for statement in statements {
        let text: Vec<_> = statement.split_whitespace().collect();
        plans.push(text.join(" "));
        let mut explained = db.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
        let mut steps = explained.raw_query();
        while let Some(step) = steps.next().unwrap() {
            let step: String = step.get(3).unwrap();
            assert!(!step.contains("SCAN") && !step.contains("TEMP B-TREE"), "{step}\n{statement}");
            plans.push(format!("    {step}"));
        }
    }
    insta::assert_snapshot!(plans.join("\n"));
}
