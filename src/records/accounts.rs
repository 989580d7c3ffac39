//! Users and API tokens on disk, in the database of the records.
//!
//! They are read at each request: who is removed here, by whatever process, is out at once. What opens a door is not
//! kept, only hashes are. Who may do what with them is not decided here.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Connection as _, Row as _, Sqlite};

use super::store::{Store, connect_to_write};
use super::{RecordsError, row};
use crate::access::{KeyHash, Name, PasswordHash, Role, Scopes};

/// How long a change waits for the records' writer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// What they are called.
    pub name: Name,
    /// What is kept of their password.
    pub password: PasswordHash,
    /// What they may do.
    pub role: Role,
    /// Whether they are kept out for now.
    pub disabled: bool,
    /// Since when there is such a user.
    pub created_at: Timestamp,
}

/// What a program may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is called, for people.
    pub name: Name,
    /// What it opens.
    pub scopes: Scopes,
    /// Since when there is one.
    pub created_at: Timestamp,
    /// From when on it is no good; absent: never.
    pub expires_at: Option<Timestamp>,
}

/// One change to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Another password, which ends the user's sessions.
    Password(PasswordHash),
    /// Another role.
    Role(Role),
    /// Kept out, or let in again.
    Disabled(bool),
}

/// What is in a row and is no word, name or hash of ours.
#[derive(Debug, thiserror::Error)]
#[error("this version does not know what that means")]
struct Unknown;

/// The users and tokens of a data folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Accounts(Store);

impl Accounts {
    /// Those of the folder, whether or not a server is running on it; makes folder and database where missing.
    ///
    /// # Errors
    /// As for [`Store::open`].
    pub async fn open(folder: &Path) -> Result<Self, RecordsError> {
        match Store::open(folder).await {
            // The server has made the database what it must be.
            Err(RecordsError::InUse { .. }) => Store::open_read_only(folder).await.map(Self),
            opened => opened.map(Self),
        }
    }

    /// Those beside these records.
    pub fn of(store: &Store) -> Self {
        Self(store.clone())
    }

    /// What they are kept in.
    pub fn store(&self) -> &Store {
        &self.0
    }

    /// Every user, by name.
    pub async fn users(&self) -> Result<Vec<User>, RecordsError> {
        let rows = sqlx::query("SELECT * FROM users ORDER BY name").fetch_all(self.0.reads()).await;
        self.read(rows.and_then(|rows| rows.iter().map(user).collect()))
    }

    /// The user of this name.
    pub async fn user(&self, name: &Name) -> Result<Option<User>, RecordsError> {
        let query = sqlx::query("SELECT * FROM users WHERE name = ?").bind(name.as_str().to_owned());
        let row = query.fetch_optional(self.0.reads()).await;
        self.read(row.and_then(|row| row.as_ref().map(user).transpose()))
    }

    /// Every token, by name.
    pub async fn tokens(&self) -> Result<Vec<Token>, RecordsError> {
        let rows = sqlx::query("SELECT * FROM tokens ORDER BY name").fetch_all(self.0.reads()).await;
        self.read(rows.and_then(|rows| rows.iter().map(token).collect()))
    }

    /// The token that has this hash, be it one that is no good any more.
    pub async fn token(&self, hash: KeyHash) -> Result<Option<Token>, RecordsError> {
        let query = sqlx::query("SELECT * FROM tokens WHERE hash = ?").bind(hash.as_bytes().to_vec());
        let row = query.fetch_optional(self.0.reads()).await;
        self.read(row.and_then(|row| row.as_ref().map(token).transpose()))
    }

    /// Adds a user; whether the name was free.
    pub async fn add_user(&self, user: &User) -> Result<bool, RecordsError> {
        let query = sqlx::query(
            "INSERT INTO users (name, password, role, disabled, created_at) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (name) DO NOTHING",
        );
        let query = query.bind(user.name.as_str().to_owned()).bind(user.password.as_str().to_owned());
        let query = query.bind(user.role.word()).bind(user.disabled).bind(row::instant(user.created_at));
        self.write(query).await
    }

    /// Changes a user; whether there is one of this name.
    pub async fn change_user(&self, name: &Name, change: Change) -> Result<bool, RecordsError> {
        let query = match change {
            Change::Password(hash) => {
                sqlx::query("UPDATE users SET password = ? WHERE name = ?").bind(hash.as_str().to_owned())
            }
            Change::Role(role) => sqlx::query("UPDATE users SET role = ? WHERE name = ?").bind(role.word()),
            Change::Disabled(disabled) => {
                sqlx::query("UPDATE users SET disabled = ? WHERE name = ?").bind(disabled)
            }
        };
        self.write(query.bind(name.as_str().to_owned())).await
    }

    /// Removes a user; whether there was one of this name.
    pub async fn remove_user(&self, name: &Name) -> Result<bool, RecordsError> {
        self.write(sqlx::query("DELETE FROM users WHERE name = ?").bind(name.as_str().to_owned())).await
    }

    /// Adds a token; whether the name was free.
    pub async fn add_token(&self, token: &Token, hash: KeyHash) -> Result<bool, RecordsError> {
        let query = sqlx::query(
            "INSERT INTO tokens (name, hash, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (name) DO NOTHING",
        );
        let query = query.bind(token.name.as_str().to_owned()).bind(hash.as_bytes().to_vec());
        let query = query.bind(token.scopes.to_string()).bind(row::instant(token.created_at));
        self.write(query.bind(token.expires_at.map(row::instant))).await
    }

    /// Removes a token; whether there was one of this name.
    pub async fn remove_token(&self, name: &Name) -> Result<bool, RecordsError> {
        self.write(sqlx::query("DELETE FROM tokens WHERE name = ?").bind(name.as_str().to_owned())).await
    }

    /// Whether the statement changed anything.
    async fn write(
        &self,
        query: sqlx::query::Query<'_, Sqlite, SqliteArguments>,
    ) -> Result<bool, RecordsError> {
        let written = async {
            let mut connection = connect_to_write(self.0.folder(), PATIENCE).await?;
            let done = query.execute(&mut connection).await?;
            connection.close().await?;
            Ok(done.rows_affected() > 0)
        };
        self.read(written.await)
    }

    fn read<T>(&self, read: sqlx::Result<T>) -> Result<T, RecordsError> {
        read.map_err(|error| self.0.failed(error))
    }
}

fn user(row: &SqliteRow) -> sqlx::Result<User> {
    Ok(User {
        name: known(row, "name", Name::parse)?,
        password: known(row, "password", PasswordHash::parse)?,
        role: known(row, "role", Role::parse)?,
        disabled: row.try_get("disabled")?,
        created_at: row::parsed(row, "created_at")?,
    })
}

fn token(row: &SqliteRow) -> sqlx::Result<Token> {
    let expires_at = row.try_get::<Option<&str>, _>("expires_at")?;
    Ok(Token {
        name: known(row, "name", Name::parse)?,
        scopes: known(row, "scopes", |words| Scopes::parse(words).ok())?,
        created_at: row::parsed(row, "created_at")?,
        expires_at: expires_at.map(|_| row::parsed(row, "expires_at")).transpose()?,
    })
}

fn known<T>(row: &SqliteRow, column: &str, parse: impl Fn(&str) -> Option<T>) -> sqlx::Result<T> {
    parse(row.try_get(column)?).ok_or_else(|| {
        let source: BoxDynError = Unknown.into();
        sqlx::Error::ColumnDecode { index: column.to_owned(), source }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Key, Scope};
    use crate::secret::Password;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn name(text: &str) -> Name {
        Name::parse(text).expect("a name")
    }

    fn hash(text: &str) -> PasswordHash {
        PasswordHash::of(&Password::new(text.to_owned()), [1; 16])
    }

    #[tokio::test]
    async fn users_are_changed_beside_a_server_that_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Accounts::of(&Store::open(folder.path()).await.expect("opened"));
        let beside = Accounts::open(folder.path()).await.expect("beside the server");
        let ann = User {
            name: name("ann"),
            password: hash("correct horse"),
            role: Role::Agent,
            disabled: false,
            created_at: at(1),
        };
        assert!(beside.add_user(&ann).await.expect("written"));
        assert!(
            !beside.add_user(&User { role: Role::Admin, ..ann.clone() }).await.expect("written"),
            "taken"
        );
        assert_eq!(server.user(&name("ann")).await.expect("read"), Some(ann.clone()));
        let other = hash("battery staple");
        let changes = [Change::Role(Role::Editor), Change::Disabled(true), Change::Password(other.clone())];
        for change in changes {
            assert!(beside.change_user(&name("ann"), change.clone()).await.expect("written"));
            assert!(!beside.change_user(&name("bob"), change).await.expect("written"), "there is no bob");
        }
        let expected = User { role: Role::Editor, disabled: true, password: other, ..ann };
        assert_eq!(server.users().await.expect("read"), [expected]);
        assert!(beside.remove_user(&name("ann")).await.expect("written"));
        assert!(!beside.remove_user(&name("ann")).await.expect("written"));
        assert_eq!(server.users().await.expect("read"), []);
    }

    #[tokio::test]
    async fn of_a_token_only_the_hash_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let accounts = Accounts::open(folder.path()).await.expect("the folder is made");
        let key = Key::new([9; 32]);
        let scopes = [Scope::CallsRead, Scope::MetricsRead].into_iter().collect();
        let token = Token { name: name("wall"), scopes, created_at: at(1), expires_at: Some(at(2)) };
        assert!(accounts.add_token(&token, key.hash()).await.expect("written"));
        assert_eq!(accounts.token(key.hash()).await.expect("read"), Some(token.clone()));
        assert_eq!(accounts.token(Key::new([8; 32]).hash()).await.expect("read"), None);
        assert_eq!(accounts.tokens().await.expect("read"), [token]);
        for file in std::fs::read_dir(folder.path()).expect("a folder") {
            let content = std::fs::read(file.expect("a file").path()).expect("readable");
            assert!(!content.windows(43).any(|window| window == key.expose().as_bytes()));
        }
        assert!(accounts.remove_token(&name("wall")).await.expect("written"));
        assert_eq!(accounts.token(key.hash()).await.expect("read"), None);
    }
}
