//! Root filesystems of vmptcp's own for guests: made of Debian's packages, kept in the user's cache.
//!
//! An image is a directory `NAME-KEY`, whose key tells what it was made of. It grows as `.partial-…` under the lock of its
//! name, and gets its own name when it is whole. Guests share that lock for as long as they use it, so that nobody replaces
//! or removes it meanwhile.

mod build;
mod finish;
mod mirror;
mod recipe;

pub use mirror::Mirrors;
pub use recipe::Recipe;

use crate::error::{Error, IoContext, Result};
use crate::kernel::lock::{Busy, Holder, Lock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What is known of an image, in its directory.
const FACTS: &str = "image.json";

/// What a directory is called while it is filled, or until it is removed.
const PARTIAL: &str = ".partial-";

/// What is known of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// When it was made.
    pub made: jiff::Timestamp,
    /// Its packages, with their versions.
    pub packages: BTreeMap<String, String>,
}

/// The images of a user.
#[derive(Debug, Clone)]
pub struct Images {
    dir: PathBuf,
    /// What we are doing, for those whom we make wait.
    command: String,
}

/// How making an image talks.
pub struct Reporter<'a> {
    /// What is done now.
    pub progress: &'a mut dyn FnMut(&str),
    /// What a person should know.
    pub note: &'a mut dyn FnMut(&str),
}

impl Images {
    /// Those in this cache, used by this command.
    pub fn new(cache: &Path, command: &str) -> Self {
        Self { dir: cache.join("images"), command: command.to_owned() }
    }

    fn place(&self, recipe: &Recipe) -> PathBuf {
        self.dir.join(format!("{}-{}", recipe.name, recipe.key()))
    }

    /// Where the root filesystem of an image is, or will be.
    pub fn root(&self, recipe: &Recipe) -> PathBuf {
        self.place(recipe).join("root")
    }

    /// What is known of an image; none if it was not made.
    pub fn facts(&self, recipe: &Recipe) -> Option<Facts> {
        facts(&self.place(recipe))
    }

    /// Keeps an image from being replaced or removed until the lock is dropped. None if it is not there.
    pub fn hold(&self, recipe: &Recipe) -> Result<Option<Lock>> {
        if self.facts(recipe).is_none() {
            return Ok(None);
        }
        let lock = Lock::share(&self.lock_file(recipe.name), &self.command)?.ok_or_else(|| {
            Error::cannot_run(format!("the image {} is being replaced", recipe.name)).hint("wait for its end")
        })?;
        lock.sign()?;
        Ok(self.facts(recipe).is_some().then_some(lock))
    }

    /// Makes an image, unless it is there and `anew` is false. True if it was made.
    pub fn build(
        &self,
        recipe: &Recipe,
        mirrors: &Mirrors,
        anew: bool,
        reporter: &mut Reporter<'_>,
    ) -> Result<bool> {
        if !anew && self.facts(recipe).is_some() {
            return Ok(false);
        }
        let begun = jiff::Timestamp::now();
        fs::create_dir_all(&self.dir).doing("create", &self.dir)?;
        let _lock = self.lock(recipe.name, reporter.note)?;
        self.sweep(recipe.name)?;
        // Another process may have made it while we waited.
        if self.facts(recipe).is_some_and(|facts| !anew || facts.made > begun) {
            return Ok(false);
        }
        let partial = Partial::create(&self.partial(recipe.name, "new"))?;
        let packages = build::build(recipe, mirrors, &partial.0, reporter)?;
        let facts = Facts { made: jiff::Timestamp::now(), packages };
        let text = serde_json::to_string_pretty(&facts)
            .map_err(|error| Error::cannot_run(format!("cannot describe the image: {error}")))?;
        crate::text::file::replace(&partial.0.join(FACTS), text.as_bytes())?;
        process::interrupt::check()?;
        // What was there under this name goes, and so do images that other recipes of this name made.
        self.set_aside(recipe.name)?;
        let place = self.place(recipe);
        fs::rename(&partial.0, &place).doing("create", &place)?;
        self.sweep(recipe.name)?;
        Ok(true)
    }

    /// Removes an image, as it is now and as earlier recipes made it. True if there was one.
    pub fn remove(&self, name: &str, note: &mut dyn FnMut(&str)) -> Result<bool> {
        if !self.dir.exists() {
            return Ok(false);
        }
        let _lock = self.lock(name, note)?;
        let removed = self.set_aside(name)?;
        self.sweep(name)?;
        Ok(removed)
    }

    fn lock_file(&self, name: &str) -> PathBuf {
        self.dir.join(format!(".{name}.lock"))
    }

    fn lock(&self, name: &str, note: &mut dyn FnMut(&str)) -> Result<Lock> {
        Lock::acquire(&self.lock_file(name), &self.command, Busy::Wait, |holder| {
            let who = holder.map_or_else(|| "another process".to_owned(), Holder::to_string);
            note(&format!("waiting for {who}, which uses the image {name}"));
        })
    }

    fn partial(&self, name: &str, what: &str) -> PathBuf {
        self.dir.join(format!("{PARTIAL}{name}-{what}"))
    }

    /// The directories whose names begin so.
    fn entries(&self, prefix: &str) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir).doing("read", &self.dir)? {
            let entry = entry.doing("read", &self.dir)?;
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                found.push(entry.path());
            }
        }
        Ok(found)
    }

    /// Takes the images of this name out of the way: nobody finds half of one. True if there was one.
    fn set_aside(&self, name: &str) -> Result<bool> {
        let old = self.entries(&format!("{name}-"))?;
        for (number, place) in old.iter().enumerate() {
            let aside = self.partial(name, &format!("old-{number}"));
            fs::rename(place, &aside).doing("remove", place)?;
        }
        Ok(!old.is_empty())
    }

    /// Removes what interrupted invocations left. Only under the lock.
    fn sweep(&self, name: &str) -> Result<()> {
        self.entries(&format!("{PARTIAL}{name}-"))?.iter().try_for_each(|path| remove(path))
    }
}

fn facts(place: &Path) -> Option<Facts> {
    serde_json::from_slice(&fs::read(place.join(FACTS)).ok()?).ok()
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", dir, &error)),
        _ => Ok(()),
    }
}

/// A directory that goes when this is dropped, unless it was moved away.
struct Partial(PathBuf);

impl Partial {
    fn create(path: &Path) -> Result<Self> {
        fs::create_dir(path).doing("create", path)?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next invocation.
        let _ = remove(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images with one that is there.
    fn images(dir: &Path) -> (Images, Recipe) {
        let images = Images::new(dir, "vmptcp test");
        let recipe = Recipe::find("lean").unwrap();
        let place = images.place(&recipe);
        fs::create_dir_all(place.join("root")).unwrap();
        let facts = Facts { made: jiff::Timestamp::UNIX_EPOCH, packages: BTreeMap::new() };
        fs::write(place.join(FACTS), serde_json::to_string(&facts).unwrap()).unwrap();
        (images, recipe)
    }

    #[test]
    fn an_image_that_is_there_is_not_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let (images, recipe) = images(dir.path());
        let mut reporter = Reporter { progress: &mut |_| (), note: &mut |_| () };
        assert!(!images.build(&recipe, &Mirrors::default(), false, &mut reporter).unwrap());
        assert!(images.root(&recipe).starts_with(dir.path().join("images")));
    }

    #[test]
    fn nobody_removes_an_image_that_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let (images, recipe) = images(dir.path());
        let used = images.hold(&recipe).unwrap().unwrap();
        let mut waited = false;
        std::thread::scope(|scope| {
            let remover = scope.spawn(|| images.remove("lean", &mut |_| waited = true).unwrap());
            std::thread::sleep(std::time::Duration::from_millis(150));
            assert!(!remover.is_finished() && images.facts(&recipe).is_some());
            drop(used);
            assert!(remover.join().unwrap());
        });
        assert!(waited && images.hold(&recipe).unwrap().is_none());
        let left: Vec<PathBuf> = images.entries("").unwrap();
        assert_eq!(left, [images.lock_file("lean")]);
    }

    #[test]
    fn what_was_interrupted_is_swept_away_and_other_images_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (images, recipe) = images(dir.path());
        fs::create_dir_all(images.partial("lean", "new").join("root/usr")).unwrap();
        fs::create_dir_all(images.partial("full", "new")).unwrap();
        images.sweep("lean").unwrap();
        assert!(!images.partial("lean", "new").exists() && images.partial("full", "new").exists());
        assert!(images.facts(&recipe).is_some());
        assert!(!images.remove("full", &mut |_| ()).unwrap());
    }
}
