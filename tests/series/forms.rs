//! The forms that a patch can have as a mail: encodings, structures, and what people and their programs do to both.

/// What is to be sent.
pub struct Letter {
    diff: Vec<u8>,
}

const MESSAGE: &str = "Why this is so: größer, 你好.\n\nIt is = done, in a long line that goes on and on and on and on and on and on and on.\n\nSigned-off-by: Jörg Ä <joerg@example.org>\n";
const SUBJECT: &str = "mptcp: pm: do it";
const AUTHOR: &str = "From: =?UTF-8?q?J=C3=B6rg_=C3=84?= <joerg@example.org>";
const DATE: &str = "Date: Mon, 2 Nov 2026 10:00:00 +0200";

type Form = (&'static str, fn(&Letter) -> Vec<u8>);

impl Letter {
    /// A letter with this diff.
    pub fn with(diff: &[u8]) -> Self {
        Self { diff: diff.to_vec() }
    }

    /// Message, notes, diff and signature, as `git format-patch` has them.
    fn body(&self) -> Vec<u8> {
        self.body_of(MESSAGE)
    }

    fn body_of(&self, message: &str) -> Vec<u8> {
        let notes = "---\nv2: as it was asked for\n\n net/mptcp/pm.c | 2 +-\n 1 file changed\n\n";
        [message.as_bytes(), notes.as_bytes(), &self.diff, b"-- \n2.47.3\n\n"].concat()
    }
}

/// The headers, with these in addition, and the body.
fn mail(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{AUTHOR}\n{DATE}\nSubject: [PATCH mptcp-next v2 1/1] {SUBJECT}\nMessage-ID: <1@example.org>\n{headers}\n"
    );
    [head.as_bytes(), body].concat()
}

/// The same with another head.
fn headed(head: &str, body: &[u8]) -> Vec<u8> {
    [head.as_bytes(), b"\n", body].concat()
}

const TEXT: &str = "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n";

fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Vec::new();
    for (at, part) in bytes.chunks(3).enumerate() {
        if at % 19 == 0 && at > 0 {
            text.push(b'\n');
        }
        let value =
            part.iter().fold(0u32, |value, byte| (value << 8) | u32::from(*byte)) << (8 * (3 - part.len()));
        for digit in 0..4 {
            let index = (value >> (18 - 6 * digit)) & 63;
            text.push(if digit <= part.len() { DIGITS[index as usize] } else { b'=' });
        }
    }
    text.push(b'\n');
    text
}

fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let (line, end) = line.strip_suffix(b"\n").map_or((line, false), |line| (line, true));
        let mut wide = 0;
        for (at, &byte) in line.iter().enumerate() {
            let last = at + 1 == line.len();
            let plain = (b'!'..=b'~').contains(&byte) && byte != b'=' || byte == b' ' && !last;
            let piece = if plain { vec![byte] } else { format!("={byte:02X}").into_bytes() };
            if wide + piece.len() > 74 {
                text.extend_from_slice(b"=\n");
                wide = 0;
            }
            wide += piece.len();
            text.extend(piece);
        }
        if end {
            text.push(b'\n');
        }
    }
    text
}

fn crlf(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => text.extend([line, b"\r\n"].concat()),
            None => text.extend(line),
        }
    }
    text
}

fn encoded(headers: &str, encoding: &str, body: &[u8]) -> Vec<u8> {
    mail(&format!("{headers}Content-Transfer-Encoding: {encoding}\n"), body)
}

/// `git format-patch --attach` or `--inline`: the message in one part, the patch in another.
fn in_parts(letter: &Letter, disposition: &str) -> Vec<u8> {
    let head = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"------------2.47.3\"\n";
    let first = format!(
        "This is a multi-part message in MIME format.\n--------------2.47.3\nContent-Type: text/plain; charset=UTF-8; format=fixed\n\
         Content-Transfer-Encoding: 8bit\n\n{MESSAGE}---\n net/mptcp/pm.c | 2 +-\n\n\n--------------2.47.3\n\
         Content-Type: text/x-patch; name=\"0001-x.patch\"\nContent-Transfer-Encoding: 8bit\n\
         Content-Disposition: {disposition}; filename=\"0001-x.patch\"\n\n"
    );
    mail(head, &[first.as_bytes(), &letter.diff, b"\n--------------2.47.3--\n\n"].concat())
}

/// A part of a kind, in an outer of another, with something behind it.
fn wrapped(outer: &str, head: &str, body: &[u8], behind: &str) -> Vec<u8> {
    let headers = format!("MIME-Version: 1.0\nContent-Type: {outer}; boundary=\"b0und\"\n");
    let text =
        [b"--b0und\n", head.as_bytes(), b"\n", body, b"\n--b0und\n", behind.as_bytes(), b"\n--b0und--\n"]
            .concat();
    mail(&headers, &text)
}

/// format=flowed: a blank in front of what begins with one, and of `From`.
fn flowed(letter: &Letter) -> Vec<u8> {
    let mut text = Vec::new();
    for line in letter.body().split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b" ") || line.starts_with(b">") || line.starts_with(b"From ") {
            text.push(b' ');
        }
        text.extend(line);
    }
    mail("MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8; format=flowed\n", &text)
}

/// The forms that git reads.
pub const FORMS: &[Form] = &[
    ("8bit", |letter| encoded(TEXT, "8bit", &letter.body())),
    ("UTF-8 that nobody states", |letter| mail("", &letter.body())),
    ("base64", |letter| encoded(TEXT, "base64", &base64(&letter.body()))),
    ("base64 of CRLF", |letter| encoded(TEXT, "base64", &base64(&crlf(&letter.body())))),
    ("quoted-printable", |letter| encoded(TEXT, "quoted-printable", &quoted_printable(&letter.body()))),
    ("CRLF", |letter| crlf(&encoded(TEXT, "8bit", &letter.body()))),
    ("attached", |letter| in_parts(letter, "attachment")),
    ("inline", |letter| in_parts(letter, "inline")),
    ("flowed", flowed),
    ("a mailbox", |letter| {
        [b"From 0123456789 Mon Sep 17 00:00:00 2001\n", &mail(TEXT, &letter.body())[..]].concat()
    }),
    ("another's patch", |letter| {
        let body = letter.body_of(&format!("From: Zoë Z <zoe@example.org>\n\n{MESSAGE}"));
        encoded(TEXT, "8bit", &body)
    }),
    ("subject, author and date in the text", |letter| {
        let body = letter.body_of(&format!("From: Zoë Z <zoe@example.org>\nSubject: [PATCH] mptcp: in the text\nDate: Tue, 3 Nov 2026 11:00:00 -0700\n\n{MESSAGE}"));
        encoded(TEXT, "8bit", &body)
    }),
    ("signed", |letter| {
        let signature = "Content-Type: application/pgp-signature; name=\"signature.asc\"\n\n-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n";
        wrapped(
            "multipart/signed; micalg=pgp-sha256; protocol=\"application/pgp-signature\"",
            TEXT,
            &letter.body(),
            signature,
        )
    }),
    ("a list's footer", |letter| {
        let footer = b"_______________________________________________\nmptcp mailing list\nhttps://lists.example.org/\n";
        encoded(TEXT, "8bit", &[&letter.body()[..], footer].concat())
    }),
    ("an answer alone", |letter| {
        headed(
            &format!("{AUTHOR}\n{DATE}\nSubject: Re: [PATCH mptcp-next] {SUBJECT}\n{TEXT}"),
            &letter.body(),
        )
    }),
    ("no dashes", |letter| encoded(TEXT, "8bit", &[MESSAGE.as_bytes(), b"\n", &letter.diff].concat())),
    ("scissors", |letter| {
        let body = letter.body_of(&format!(
            "Hello,\n\nsee below.\n\n-- >8 --\nSubject: [PATCH] mptcp: below\n\n{MESSAGE}"
        ));
        encoded(TEXT, "8bit", &body)
    }),
    ("quoted From lines", |letter| {
        encoded(TEXT, "8bit", &letter.body_of(&format!(">From here on\n>>From there\n{MESSAGE}")))
    }),
    ("an encoded subject", |letter| {
        let head = format!(
            "{AUTHOR}\n{DATE}\nSubject: [PATCH mptcp-next 1/2] =?UTF-8?q?mptcp:_caf=C3=A9_=E4=BD=A0?=\n =?UTF-8?q?=E5=A5=BD_and_?= more\n{TEXT}"
        );
        headed(&head, &letter.body())
    }),
    ("a subject in base64, an author in Latin-1", |letter| {
        let head = format!(
            "From: =?iso-8859-1?q?J=F6rg?= <joerg@example.org>\n{DATE}\nSubject: =?utf-8?b?W1BBVENIXSBtcHRjcDogw7xibGU=?=\n{TEXT}"
        );
        headed(&head, &letter.body())
    }),
    ("a folded subject, an author in quotes", |letter| {
        let head = format!(
            "From: \"O'Hara, Jim (X)\" <jim@example.org>\n{DATE}\nSubject: [PATCH] [net]  [v3]   mptcp:   a\n\tfolded   subject\n{TEXT}"
        );
        headed(&head, &letter.body())
    }),
    ("an address alone", |letter| {
        headed(&format!("From: joerg@example.org\n{DATE}\nSubject: {SUBJECT}\n{TEXT}"), &letter.body())
    }),
    ("an address before the name", |letter| {
        headed(
            &format!("From: joerg@example.org (Jorg J)\n{DATE}\nSubject: {SUBJECT}\n{TEXT}"),
            &letter.body(),
        )
    }),
    ("no name of a subject", |letter| {
        headed(&format!("{AUTHOR}\n{DATE}\nSubject: [PATCH]\n{TEXT}"), &letter.body())
    }),
    ("text before and after the diff", |letter| {
        let body =
            [MESSAGE.as_bytes(), b"---\nnotes\nIndex of what follows\n\n", &letter.diff, b"\nRegards,\nJ\n"]
                .concat();
        encoded(TEXT, "8bit", &body)
    }),
    ("us-ascii that is not", |letter| {
        mail("MIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\n", &letter.body_of("Why.\n"))
    }),
    ("Latin-1 that is", |letter| {
        let body = [b"Why: gr\xf6\xdfer.\n---\n\n", &letter.diff[..]].concat();
        mail(
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n",
            &body,
        )
    }),
    ("Latin-1 that nobody states", |letter| {
        mail("", &[b"Why: gr\xf6\xdfer.\n---\n\n", &letter.diff[..]].concat())
    }),
    ("blank lines at the beginning", |letter| [b"\n\n", &mail(TEXT, &letter.body())[..]].concat()),
    ("headers in other letters", |letter| {
        headed(
            &format!(
                "from: Jo <jo@example.org>\ndate: Mon, 2 Nov 2026 10:00:00 +0200\nsubject: {SUBJECT}\ncontent-type: TEXT/PLAIN; CHARSET=\"utf-8\"\n"
            ),
            &letter.body(),
        )
    }),
    ("old names of headers", |letter| mail("X-Mailer: x\nX-Unknown: a\n b\n", &letter.body())),
];

/// Where they agree that something is wrong, or what to do with what is odd.
pub const ODD: &[Form] = &[
    ("no From", |letter| headed(&format!("{DATE}\nSubject: {SUBJECT}\n"), &letter.body())),
    ("a From without an address", |letter| {
        headed(&format!("From: me\n{DATE}\nSubject: {SUBJECT}\n"), &letter.body())
    }),
    ("no such date", |letter| {
        headed(&format!("{AUTHOR}\nDate: the first of May\nSubject: {SUBJECT}\n"), &letter.body())
    }),
    ("no date", |letter| headed(&format!("{AUTHOR}\nSubject: {SUBJECT}\n"), &letter.body())),
    ("no such charset", |letter| {
        mail("MIME-Version: 1.0\nContent-Type: text/plain; charset=klingon\n", &letter.body())
    }),
    ("no subject", |letter| headed(&format!("{AUTHOR}\n{DATE}\n"), &letter.body())),
    ("no patch", |_| mail(TEXT, MESSAGE.as_bytes())),
    ("quoted by another", |letter| {
        let quoted: Vec<u8> = letter
            .body()
            .split_inclusive(|&byte| byte == b'\n')
            .flat_map(|line| [b"> ", line].concat())
            .collect();
        mail(TEXT, &quoted)
    }),
    ("tabs that became blanks", |letter| {
        let text = String::from_utf8_lossy(&letter.body()).replace("line 14", "line\u{a0}14");
        mail(TEXT, text.as_bytes())
    }),
    ("lines that a mailer broke", |letter| {
        let text = String::from_utf8_lossy(&letter.body()).replace(" line 1", " line\n1");
        mail(TEXT, text.as_bytes())
    }),
    ("the blanks in front are gone", |letter| {
        let text = String::from_utf8_lossy(&letter.body()).replace("\n line", "\nline");
        mail(TEXT, text.as_bytes())
    }),
    ("a hunk that is cut off", |letter| {
        let text = String::from_utf8_lossy(&letter.body()).replace("\n line 18\n", "\n");
        mail(TEXT, text.as_bytes())
    }),
    ("a hunk that counts wrong", |letter| {
        let text = String::from_utf8_lossy(&letter.body()).replace("@@ -12,7 ", "@@ -12,6 ");
        mail(TEXT, text.as_bytes())
    }),
    ("in another place of the file", |letter| {
        let text = String::from_utf8_lossy(&letter.body()).replace("@@ -12,7 +12,7 @@", "@@ -22,7 +22,7 @@");
        mail(TEXT, text.as_bytes())
    }),
    ("another file", |letter| {
        let text = String::from_utf8_lossy(&letter.body()).replace("net/mptcp/pm.c", "net/mptcp/none.c");
        let text = text.replace("index ", "x-index ");
        mail(TEXT, text.as_bytes())
    }),
    ("no git", |_| {
        let diff = b"--- linux.orig/net/mptcp/pm.c\t2026-01-01 10:00:00.000000000 +0100\n+++ linux/net/mptcp/pm.c\t2026-01-02 10:00:00.000000000 +0100\n@@ -14,3 +14,3 @@\n line 14\n-line 15\n+line XV\n line 16\n";
        mail(TEXT, &Letter::with(diff).body())
    }),
    ("no directory in front", |_| {
        let diff = b"--- net/mptcp/pm.c\n+++ net/mptcp/pm.c\n@@ -14,3 +14,3 @@\n line 14\n-line 15\n+line XV\n line 16\n";
        mail(TEXT, &Letter::with(diff).body())
    }),
    ("in HTML too", |letter| {
        wrapped("multipart/alternative", TEXT, &letter.body(), "Content-Type: text/html\n\n<p>Why</p>\n")
    }),
    ("in HTML alone", |letter| {
        mail(
            "MIME-Version: 1.0\nContent-Type: text/html; charset=UTF-8\n",
            &[b"<pre>", &letter.body()[..], b"</pre>"].concat(),
        )
    }),
    ("a NUL in the message", |letter| mail(TEXT, &[b"a\0b\n---\n", &letter.diff[..]].concat())),
    ("a mark in front of all", |letter| [b"\xef\xbb\xbf", &mail(TEXT, &letter.body())[..]].concat()),
    ("nothing", |_| Vec::new()),
];
