//! The disk: where every file lies, and where a power cut may put it back to.
//!
//! A rename is there at once and durable later. A power cut takes each file back to any of the places that it had since
//! the last flush, whatever the others do, as long as no two files have one name: more than a real journal loses.

/// A directory of the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Directory {
    Inbox,
    /// `active/SLOT/`
    Slot(u8),
    Archive,
    Quarantine,
    /// Another file was moved over it.
    Lost,
}

/// `orders.csv`, or with a copy's number `orders~2.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name {
    pub stem: u8,
    pub copy: u8,
}

/// A directory entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    pub directory: Directory,
    pub name: Name,
}

/// A result of a command, on its way from staging into `results/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moved {
    No,
    /// Visible, and not durable yet.
    Unflushed,
    Yes,
}

/// The staging directory of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Staging {
    There,
    /// Removed, and a power cut may bring it back, empty.
    Removed,
    Gone,
}

/// What an attempt of a command made: two results.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Output {
    /// The number of the attempt's file, after which the directory is called.
    pub number: u8,
    pub file: u8,
    pub version: u8,
    pub slot: u8,
    pub staging: Staging,
    pub sealed: bool,
    /// A power cut took the contents.
    pub is_half: bool,
    pub moved: [Moved; 2],
}

impl Output {
    /// Whether anybody can have seen anything of it.
    pub fn is_published(&self) -> bool {
        self.moved.iter().any(|moved| *moved != Moved::No)
    }

    pub fn is_whole(&self) -> bool {
        self.moved.iter().all(|moved| *moved != Moved::No) && !self.is_half
    }

    /// What is left of it can't be seen, nor found by anybody.
    fn is_nothing(&self) -> bool {
        self.staging == Staging::Gone && !self.is_published()
    }
}

/// All directories of one folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Disk {
    /// By file: the durable place, the later ones, the present one last. None: not dropped yet.
    places: Vec<Vec<Place>>,
    pub outputs: Vec<Output>,
}

/// What a power cut leaves: a place for each file, the rest for each output.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Remains {
    pub places: Vec<Option<Place>>,
    pub outputs: Vec<Output>,
}

impl Disk {
    pub fn new(files: usize) -> Self {
        Self { places: vec![Vec::new(); files], outputs: Vec::new() }
    }

    /// Where a file lies, once it was dropped.
    pub fn place(&self, file: u8) -> Option<Place> {
        self.places[usize::from(file)].last().copied()
    }

    pub fn is_in(&self, file: u8, directory: Directory) -> bool {
        self.place(file).is_some_and(|place| place.directory == directory)
    }

    pub fn at(&self, place: Place) -> Option<u8> {
        self.files().find(|file| self.place(*file) == Some(place))
    }

    pub fn names(&self, directory: Directory) -> Vec<u8> {
        self.files().filter(|file| self.is_in(*file, directory)).collect()
    }

    pub fn files(&self) -> impl Iterator<Item = u8> + use<> {
        0..u8::try_from(self.places.len()).expect("a handful of files")
    }

    /// An uploader's file, flushed by him: so is everything that made room for its name.
    pub fn drop_file(&mut self, file: u8, place: Place) {
        for places in &mut self.places {
            if let Some(left) = places.iter().rposition(|earlier| *earlier == place) {
                places.drain(..=left);
            }
        }
        self.places[usize::from(file)] = vec![place];
    }

    /// `renameat2(RENAME_NOREPLACE)`: `folder::moves::move_as`. False: the name is taken, nothing was moved.
    #[must_use]
    pub fn rename(&mut self, file: u8, place: Place) -> bool {
        if self.at(place).is_some() {
            return false;
        }
        let places = &mut self.places[usize::from(file)];
        places.retain(|earlier| *earlier != place);
        places.push(place);
        true
    }

    /// `rename`, which replaces.
    pub fn replace(&mut self, file: u8, place: Place) {
        if let Some(replaced) = self.at(place) {
            self.places[usize::from(replaced)] = vec![Place { directory: Directory::Lost, ..place }];
        }
        let _ = self.rename(file, place);
    }

    /// `folder::moves::move_numbered`: under the first free name.
    pub fn rename_numbered(&mut self, file: u8, directory: Directory) {
        let name = self.place(file).expect("it was dropped").name;
        let copies = (1..).map(|copy| Place { directory, name: Name { copy, ..name } });
        let free = copies.take(8).find(|place| self.at(*place).is_none()).expect("a free name");
        assert!(self.rename(file, free), "the name was free");
    }

    /// `fsync` of a directory: who came into it came durably.
    pub fn flush(&mut self, directory: Directory) {
        for places in &mut self.places {
            if let Some(came) = places.iter().rposition(|place| place.directory == directory) {
                places.drain(..came);
            }
        }
    }

    /// `fsync` of `results/`.
    pub fn flush_results(&mut self) {
        for moved in self.outputs.iter_mut().flat_map(|output| &mut output.moved) {
            if *moved == Moved::Unflushed {
                *moved = Moved::Yes;
            }
        }
    }

    pub fn output(&mut self, number: u8) -> Option<&mut Output> {
        self.outputs.iter_mut().rfind(|output| output.number == number)
    }

    /// `Staging::fresh`: what an earlier attempt left in this directory goes first.
    pub fn make_room(&mut self, number: u8) {
        self.outputs.retain(|output| output.number != number || output.is_published());
    }

    /// `run::staging::discard`
    pub fn discard(&mut self, number: u8) {
        if let Some(output) = self.output(number) {
            output.staging = if output.sealed { Staging::Removed } else { Staging::Gone };
        }
        self.outputs.retain(|output| !output.is_nothing());
    }

    /// Everything that a power cut may leave.
    pub fn after_power_cut(&self) -> Vec<Remains> {
        let mut all = vec![Vec::new()];
        for places in &self.places {
            let choices: Vec<Option<Place>> =
                if places.is_empty() { vec![None] } else { places.iter().copied().map(Some).collect() };
            all = extended(&all, &choices);
        }
        all.retain(|places| {
            places.iter().flatten().enumerate().all(|(at, place)| {
                places.iter().flatten().skip(at + 1).all(|other| other != place || place.directory == Directory::Lost)
            })
        });
        let mut outputs = vec![Vec::new()];
        for output in &self.outputs {
            outputs = extended(&outputs, &left_of(output));
        }
        let remains = |places: &Vec<Option<Place>>| {
            let places = places.clone();
            outputs.iter().map(move |outputs| Remains { places: places.clone(), outputs: outputs.clone() })
        };
        all.iter().flat_map(remains).collect()
    }

    pub fn cut(&mut self, remains: Remains) {
        self.places = remains.places.into_iter().map(|place| place.into_iter().collect()).collect();
        self.outputs = remains.outputs;
        self.outputs.retain(|output| !output.is_nothing());
    }
}

fn extended<T: Clone>(all: &[Vec<T>], choices: &[T]) -> Vec<Vec<T>> {
    let with = |before: &Vec<T>, choice: &T| before.iter().chain([choice]).cloned().collect();
    all.iter().flat_map(|before| choices.iter().map(move |choice| with(before, choice))).collect()
}

/// What a power cut may leave of an output.
fn left_of(output: &Output) -> Vec<Output> {
    if !output.sealed {
        let gone = Output { staging: Staging::Gone, is_half: true, ..output.clone() };
        return vec![Output { is_half: true, ..output.clone() }, gone];
    }
    let undone = |moved: Moved| match moved {
        Moved::Unflushed => vec![Moved::No, Moved::Yes],
        moved => vec![moved],
    };
    let staging = match output.staging {
        Staging::Removed => vec![Staging::There, Staging::Gone],
        staging => vec![staging],
    };
    let mut all = Vec::new();
    for first in undone(output.moved[0]) {
        for second in undone(output.moved[1]) {
            for &staging in &staging {
                all.push(Output { moved: [first, second], staging, ..output.clone() });
            }
        }
    }
    all
}
