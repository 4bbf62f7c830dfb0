//! The tables held against the journal: what the journal's rows make is written to an empty database with the same
//! statements, and the two are compared row by row, column by column, as they are stored.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::fmt;

use ordergate_actors::order::{ClientId, CommandId};
use ordergate_actors::persistence::{Projections, Replay};
use ordergate_actors::ports::Write;
use rusqlite::types::Value;
use rusqlite::{Connection, Params, Transaction, params};

use super::{open, query, write};

/// The most differences that are named.
pub(super) const NAMED: usize = 100;

/// A place where a table is not what the journal makes of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// The row, by its key.
    pub row: String,
    /// The column; empty when the whole row is missing on one side.
    pub column: String,
    /// What the table holds.
    pub in_table: String,
    /// What the journal makes.
    pub in_journal: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, row, column, in_table, in_journal } = self;
        let column = if column.is_empty() { String::new() } else { format!(", column {column}") };
        write!(f, "{table} {row}{column}: the table says {in_table}, the journal {in_journal}")
    }
}

/// A projected table, and the columns that name a row within its account.
struct Table {
    name: &'static str,
    key: &'static [&'static str],
}

const TABLES: [Table; 8] = [
    Table { name: "signals", key: &["signal_id"] },
    Table { name: "orders", key: &["command_id"] },
    Table { name: "fills", key: &["trading_date", "exchange", "broker_order_id", "trade_id"] },
    Table { name: "corrections", key: &["trading_date", "seq"] },
    Table { name: "holdings", key: &["strategy_name", "exchange", "symbol", "product"] },
    Table { name: "control", key: &["client_id"] },
    Table { name: "alarms", key: &["id"] },
    Table { name: "states", key: &["topic", "key"] },
];

/// Counts a file's rows, means nothing and is in no journal.
const UNTOLD: [&str; 1] = ["id"];

/// What the trades of one order alone cannot tell: what its strategy held before each.
const OF_OTHERS: [&str; 3] = ["before_net", "before_cost", "before_realised"];

/// Every difference between the tables of a chain and its projections; at most 100 are named.
pub(super) fn compare(db: &Connection, scratch: &Scratch, chain: &str, projections: &Projections) -> rusqlite::Result<Vec<Difference>> {
    let mut found = Vec::new();
    let writes = projections.writes(ClientId::parse(chain).ok().as_ref());
    let Some(made) = scratch.holding(&writes, &mut found)? else { return Ok(found) };
    for table in &TABLES {
        let sql = |columns: &str| format!("SELECT {columns} FROM {} WHERE client_id = ?1 ORDER BY {}", table.name, table.key.join(", "));
        rows_differ((db, &made), table, &UNTOLD, sql, [chain], &mut found)?;
    }
    Ok(found)
}

/// The rows of one order in a table. SQLite would walk all trades in the order of their key, for every order that a restart
/// looks at, if it were not told which index finds them.
fn of_order(table: &Table, columns: &str) -> String {
    let index = if table.name == "fills" { " INDEXED BY fills_of_order" } else { "" };
    format!("SELECT {columns} FROM {}{index} WHERE client_id = ?1 AND command_id = ?2 ORDER BY {}", table.name, table.key.join(", "))
}

/// The orders that these commands name, with their trades, held against their own rows of the journal: an order needs no
/// others to be made anew.
pub(super) fn compare_orders(
    db: &Connection,
    scratch: &Scratch,
    chain: &str,
    commands: impl IntoIterator<Item = CommandId>,
) -> rusqlite::Result<Vec<Difference>> {
    let mut found = Vec::new();
    let Ok(client) = ClientId::parse(chain) else { return Ok(found) };
    for command in commands {
        let mut replay = Replay::default();
        for row in query::whole_order_journal(db, &client, command)? {
            // Alarms, and what people say to them, move no order, and depend on rows that are not this order's: one that
            // gave way to newer ones is raised anew under another name.
            if row.to.is_none() {
                continue;
            }
            if let Err(misfit) = replay.step(&row) {
                found.push(misfits(format!("{command}"), &misfit.to_string()));
            }
        }
        let is_of_order = |write: &Write| matches!(write, Write::InsertOrder(_) | Write::Fill { .. });
        let writes: Vec<Write> = replay.finish().writes(Some(&client)).into_iter().filter(is_of_order).collect();
        let Some(made) = scratch.holding(&writes, &mut found)? else { continue };
        for table in TABLES.iter().filter(|table| matches!(table.name, "orders" | "fills")) {
            let untold = [&UNTOLD[..], &OF_OTHERS[..]].concat();
            let with = params![chain, command.to_string()];
            rows_differ((db, &made), table, &untold, |columns| of_order(table, columns), with, &mut found)?;
        }
        if found.len() >= NAMED {
            break;
        }
    }
    Ok(found)
}

/// The journal itself says what its own rules would not have written.
pub(super) fn misfits(row: String, why: &str) -> Difference {
    let in_journal = format!("what its rules would not have written ({why})");
    Difference { table: "journal", row, column: String::new(), in_table: "nothing".to_owned(), in_journal }
}

/// A database beside, in memory, with the schema and nothing in it: made when projections are first written to it.
#[derive(Debug, Default)]
pub(super) struct Scratch(OnceCell<Connection>);

impl Scratch {
    fn open(&self) -> rusqlite::Result<&Connection> {
        if let Some(open) = self.0.get() {
            return Ok(open);
        }
        let mut db = Connection::open_in_memory()?;
        open::with_schema(&mut db).map_err(|cause| rusqlite::Error::ToSqlConversionFailure(Box::new(cause)))?;
        open::keep_statements(&db)?;
        db.pragma_update(None, "foreign_keys", true)?;
        Ok(self.0.get_or_init(|| db))
    }

    /// Writes projections to it, for as long as what is answered is held; `None` if they cannot stand there, because the journal
    /// contradicts itself.
    fn holding(&self, writes: &[Write], found: &mut Vec<Difference>) -> rusqlite::Result<Option<Transaction<'_>>> {
        let made = self.open()?.unchecked_transaction()?;
        for row in writes {
            if let Err(cause) = write::apply(&made, row) {
                found.push(misfits(write::table(row).to_owned(), &cause.to_string()));
                return Ok(None);
            }
        }
        Ok(Some(made))
    }
}

fn columns(db: &Connection, table: &Table, untold: &[&str]) -> rusqlite::Result<Vec<String>> {
    let mut statement = db.prepare_cached("SELECT name FROM pragma_table_info(?1)")?;
    let names = statement.query_map([table.name], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(names.into_iter().filter(|name| table.key.contains(&name.as_str()) || !untold.contains(&name.as_str())).collect())
}

/// Walks both sides in the order of their keys.
fn rows_differ(
    (db, made): (&Connection, &Connection),
    table: &Table,
    untold: &[&str],
    sql: impl Fn(&str) -> String,
    with: impl Params + Clone,
    found: &mut Vec<Difference>,
) -> rusqlite::Result<()> {
    let names = columns(made, table, untold)?;
    let key: Vec<usize> = table.key.iter().filter_map(|key| names.iter().position(|name| name == key)).collect();
    let sql = sql(&names.join(", "));
    let (mut ours, mut theirs) = (db.prepare_cached(&sql)?, made.prepare_cached(&sql)?);
    let read = |row: &rusqlite::Row<'_>| (0..names.len()).map(|index| row.get::<_, Value>(index)).collect::<rusqlite::Result<Vec<_>>>();
    let (mut ours, mut theirs) = (ours.query_map(with.clone(), read)?, theirs.query_map(with, read)?);
    let (mut left, mut right) = (ours.next().transpose()?, theirs.next().transpose()?);
    let missing = |row: &[Value], in_table: &str, in_journal: &str| Difference {
        table: table.name,
        row: named(row, &key),
        column: String::new(),
        in_table: in_table.to_owned(),
        in_journal: in_journal.to_owned(),
    };
    while found.len() < NAMED {
        let order = match (&left, &right) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => by_key(left, right, &key),
        };
        if order == Ordering::Less {
            found.extend(left.as_ref().map(|row| missing(row, "a row", "none")));
        } else if order == Ordering::Greater {
            found.extend(right.as_ref().map(|row| missing(row, "nothing", "a row")));
        } else if let (Some(left), Some(right)) = (&left, &right) {
            let differing = names.iter().zip(left.iter().zip(right)).filter(|(_, (left, right))| left != right);
            found.extend(differing.map(|(name, (in_table, in_journal))| Difference {
                table: table.name,
                row: named(left, &key),
                column: name.clone(),
                in_table: text(in_table),
                in_journal: text(in_journal),
            }));
        }
        if order != Ordering::Greater {
            left = ours.next().transpose()?;
        }
        if order != Ordering::Less {
            right = theirs.next().transpose()?;
        }
    }
    found.truncate(NAMED);
    Ok(())
}

/// As the database sorts: numbers before texts before bytes.
fn by_key(left: &[Value], right: &[Value], key: &[usize]) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Null => 0,
        Value::Integer(_) | Value::Real(_) => 1,
        Value::Text(_) => 2,
        Value::Blob(_) => 3,
    };
    key.iter()
        .filter_map(|index| Some((left.get(*index)?, right.get(*index)?)))
        .map(|(left, right)| match (left, right) {
            (Value::Integer(left), Value::Integer(right)) => left.cmp(right),
            (Value::Text(left), Value::Text(right)) => left.as_bytes().cmp(right.as_bytes()),
            (Value::Blob(left), Value::Blob(right)) => left.cmp(right),
            (left, right) => rank(left).cmp(&rank(right)),
        })
        .find(|order| *order != Ordering::Equal)
        .unwrap_or(Ordering::Equal)
}

fn named(row: &[Value], key: &[usize]) -> String {
    key.iter().filter_map(|index| row.get(*index)).map(text).collect::<Vec<_>>().join(" ")
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(value) => value.to_string(),
        Value::Real(value) => value.to_string(),
        Value::Text(value) => value.clone(),
        Value::Blob(value) => crate::hex::hex(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A restart looks at thousands of orders, beside a million.
    #[test]
    fn an_orders_rows_are_found_by_its_name() {
        let scratch = Scratch::default();
        let db = scratch.open().unwrap();
        for table in TABLES.iter().filter(|table| matches!(table.name, "orders" | "fills")) {
            let sql = format!("EXPLAIN QUERY PLAN {}", of_order(table, "*"));
            let plan: Vec<String> =
                db.prepare(&sql).unwrap().query_map(["a", "b"], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
            assert!(plan[0].contains("(client_id=? AND command_id=?)"), "{}: {plan:?}", table.name);
        }
    }
}
