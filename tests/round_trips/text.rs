//! A text that is being written, and the lines on which its records start.

#[derive(Debug, Default)]
pub struct Text {
    pub written: String,
    /// The line of each record.
    pub lines: Vec<u64>,
    /// Where the last record starts, and the line breaks before it.
    counted: (usize, u64),
    /// Where the last line's end starts; `None`: that line is empty.
    end: Option<usize>,
}

impl Text {
    pub fn push(&mut self, text: &str) {
        self.written += text;
    }

    /// A record starts here.
    pub fn record(&mut self) {
        let (start, before) = self.counted;
        let fresh = self.written[start..].replace("\r\n", "\n");
        let breaks = before + fresh.bytes().filter(|byte| b"\n\r".contains(byte)).count() as u64;
        self.counted = (self.written.len(), breaks);
        self.lines.push(1 + breaks);
    }

    /// A whole line, or several, that end with one of these.
    pub fn line(&mut self, line: &str, ends: &[&str], random: &mut fastrand::Rng) {
        self.push(line);
        // LF of an empty line would belong to the CR before it.
        let fits = |end: &&&str| **end != "\n" || !line.is_empty() || !self.written.ends_with('\r');
        let ends: Vec<&&str> = ends.iter().filter(fits).collect();
        let end = random.choice(ends).map_or("\r\n", |end| *end);
        self.end = (!line.is_empty()).then_some(self.written.len());
        self.push(end);
    }

    /// Takes the end of the last line away, unless nothing would be left of it.
    pub fn unfinish(&mut self) {
        self.written.truncate(self.end.unwrap_or(self.written.len()));
    }
}
