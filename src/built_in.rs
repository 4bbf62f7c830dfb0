//! Facts that are built in, and the user's files that take their place.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// A file as people know it, and its text.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A file or the directory that cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) path: PathBuf,
    pub(crate) cause: io::Error,
}

/// The files in force, by their own names: the `.toml` files of the directory take the place of those that are built in.
pub(crate) fn files(built_in: &[(&str, &str)], directory: Option<&Path>) -> Result<Vec<Named>, Unreadable> {
    let named = |(name, text): &(&str, &str)| ((*name).to_owned(), Named { name: format!("built-in {name}"), text: (*text).to_owned() });
    let mut files: BTreeMap<String, Named> = built_in.iter().map(named).collect();
    if let Some(directory) = directory {
        let unreadable = |path: &Path, cause| Unreadable { path: path.to_owned(), cause };
        for entry in std::fs::read_dir(directory).map_err(|cause| unreadable(directory, cause))? {
            let path = entry.map_err(|cause| unreadable(directory, cause))?.path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).map_err(|cause| unreadable(&path, cause))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(name, Named { name: path.display().to_string(), text });
        }
    }
    Ok(files.into_values().collect())
}

/// What a TOML text that is built in says.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, config::ConfigError> {
    config::Config::builder().add_source(config::File::from_str(text, config::FileFormat::Toml)).build()?.try_deserialize()
}
