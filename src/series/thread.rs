//! Takes a series out of mails, such as those of a whole thread: its newest version, without the answers to it. Pure.

use super::mail::Mail;
use super::model::Cover;
use super::subject::Prefix;
use std::collections::HashSet;

/// A series of mails, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mails {
    /// The cover letter.
    pub cover: Option<Cover>,
    /// The patches.
    pub patches: Vec<Mail>,
    /// The prefix, of the mail that has the most words in it.
    pub prefix: Prefix,
    /// The commit that one of the mails names as its base.
    pub base: Option<String>,
    /// What was left out.
    pub notes: Vec<String>,
}

/// Patches that were sent together.
#[derive(Debug)]
struct Post {
    version: u32,
    rfc: bool,
    /// How many patches it has, as its subjects say; none for patches that are not counted.
    total: Option<usize>,
    patches: Vec<Mail>,
    /// When the last of them was sent, and its place among all mails.
    last: (Option<i64>, usize),
}

impl Post {
    fn of(mail: Mail, place: usize) -> Self {
        let (version, rfc, total) = key(&mail);
        Self { version, rfc, total, last: (sent(&mail), place), patches: vec![mail] }
    }

    /// True if the mail is one more of these patches. Where a number comes for the second time, another posting begins.
    fn takes(&self, mail: &Mail) -> bool {
        place(mail).is_none() || self.patches.iter().all(|known| place(known) != place(mail))
    }

    /// How it is called in a note.
    fn name(&self) -> String {
        format!("{}version {}", if self.rfc { "RFC " } else { "" }, self.version)
    }

    /// True for a mail that can be the cover letter of these.
    fn has_cover(&self, mail: &Mail) -> bool {
        let (version, rfc, total) = key(mail);
        let number = match (&mail.headers.prefix, total) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(_), Some(_)) => place(mail) == Some(0) && (total == self.total || self.total.is_none()),
        };
        number && (version, rfc) == (self.version, self.rfc)
    }
}

/// What patches that were sent together have in common: their version, whether they are an RFC, how many they are.
fn key(mail: &Mail) -> (u32, bool, Option<usize>) {
    let prefix = mail.headers.prefix.as_ref();
    let rfc = prefix.is_some_and(|prefix| prefix.words.iter().any(|word| word.eq_ignore_ascii_case("RFC")));
    let total = prefix.and_then(|prefix| prefix.count).map(|(_, total)| total);
    (prefix.map_or(1, |prefix| prefix.version.max(1)), rfc, total)
}

/// When it was sent. The date of a file that was not sent is the author's, and says nothing of what is newer.
fn sent(mail: &Mail) -> Option<i64> {
    mail.headers.id.as_ref().and(mail.headers.sent)
}

fn place(mail: &Mail) -> Option<usize> {
    mail.headers.prefix.as_ref()?.count.map(|(place, _)| place)
}

/// Takes the newest series out of these mails; none if no mail has a patch.
pub fn sort(mails: Vec<Mail>) -> Option<Mails> {
    let mut notes = Vec::new();
    let mails = once_each(mails, &mut notes);
    let ids: HashSet<String> = mails.iter().filter_map(|mail| mail.headers.id.clone()).collect();
    let refers = |mail: &Mail| mail.headers.refers_to.iter().any(|id| ids.contains(id));
    let is_answer = |mail: &Mail| mail.headers.is_answer || mail.headers.prefix.is_none() && refers(mail);
    // One that is alone is what it was given for.
    let alone = !mails.iter().any(|mail| mail.has_patch && !is_answer(mail));
    let (patches, rest): (Vec<Mail>, Vec<Mail>) =
        mails.into_iter().partition(|mail| mail.has_patch && (alone || !is_answer(mail)));
    let (answers, others): (Vec<Mail>, Vec<Mail>) = rest.into_iter().partition(is_answer);
    left_out(&mut notes, answers.len(), "reply", "replies");

    let patches = without_asides(patches, refers, &mut notes);
    let mut posts = posts(patches, &mut notes);
    let newest = posts.remove(newest(&posts)?);
    for post in &posts {
        let count = post.patches.len();
        let patches = if count == 1 { "1 patch".to_owned() } else { format!("{count} patches") };
        let why = if (post.version, post.rfc) == (newest.version, newest.rfc) {
            "another posting of it is newer".to_owned()
        } else {
            format!("{} is newer", newest.name())
        };
        notes.push(format!("left out: {}, {patches}: {why}", post.name()));
    }
    let (covers, others): (Vec<Mail>, Vec<Mail>) =
        others.into_iter().partition(|mail| newest.has_cover(mail));
    let others = others.iter().filter(|mail| !posts.iter().any(|post| post.has_cover(mail))).count();
    // The one that says that it is, and of those the last.
    let cover = covers.iter().max_by_key(|mail| (place(mail).is_some(), mail.headers.sent));
    left_out(
        &mut notes,
        others + covers.len().saturating_sub(1),
        "other mail without a patch",
        "other mails without a patch",
    );
    Some(series(cover, newest, notes))
}

fn series(cover: Option<&Mail>, newest: Post, notes: Vec<String>) -> Mails {
    let mut patches = newest.patches;
    patches.sort_by_key(|mail| place(mail).unwrap_or(usize::MAX));
    let all = || cover.into_iter().chain(&patches);
    let base = all().find_map(|mail| mail.base.clone());
    let prefixes = all().filter_map(|mail| mail.headers.prefix.clone());
    let prefix = prefixes.max_by_key(|prefix| (prefix.words.len(), prefix.version));
    let prefix = prefix.unwrap_or_else(|| Prefix::parse(""));
    let cover = cover.map(|mail| Cover { subject: mail.subject.clone(), message: mail.message.clone() });
    Mails { cover, patches, prefix, base, notes }
}

fn left_out(notes: &mut Vec<String>, count: usize, one: &str, many: &str) {
    match count {
        0 => {}
        1 => notes.push(format!("left out: 1 {one}")),
        count => notes.push(format!("left out: {count} {many}")),
    }
}

/// A mail that came by two lists is one mail. Where one of them took the patch out of it, the other's counts.
fn once_each(mails: Vec<Mail>, notes: &mut Vec<String>) -> Vec<Mail> {
    let count = mails.len();
    let with_patch = mails.iter().filter(|mail| mail.has_patch);
    let whole: HashSet<String> = with_patch.filter_map(|mail| mail.headers.id.clone()).collect();
    let mut seen = HashSet::new();
    let new = |mail: &Mail| {
        let id = mail.headers.id.clone();
        id.is_none_or(|id| (mail.has_patch || !whole.contains(&id)) && seen.insert(id))
    };
    let mails: Vec<Mail> = mails.into_iter().filter(new).collect();
    left_out(notes, count - mails.len(), "mail that is there twice", "mails that are there twice");
    mails
}

/// A patch without a number that answers to the counted ones is none of them, unless it is a new version.
fn without_asides(patches: Vec<Mail>, refers: impl Fn(&Mail) -> bool, notes: &mut Vec<String>) -> Vec<Mail> {
    let counted = patches.iter().filter(|mail| place(mail).is_some()).map(|mail| key(mail).0).max();
    let Some(version) = counted else { return patches };
    let is_aside = |mail: &Mail| {
        let subject = mail.subject.to_ascii_lowercase();
        let amends = ["squash", "fixup!", "amend!"].iter().any(|word| subject.starts_with(word));
        place(mail).is_none() && refers(mail) && (amends || key(mail).0 <= version)
    };
    let (asides, patches): (Vec<Mail>, Vec<Mail>) = patches.into_iter().partition(is_aside);
    for aside in asides {
        notes.push(format!("left out: a patch beside the series: {}", aside.subject));
    }
    patches
}

/// True if a patch without a number was sent again. Files may well have patches of one name.
fn is_again(old: &Mail, new: &Mail) -> bool {
    let sent = old.headers.id.is_some() && new.headers.id.is_some();
    sent && place(old).is_none() && place(new).is_none() && old.subject == new.subject
}

/// Puts together what was sent together.
fn posts(patches: Vec<Mail>, notes: &mut Vec<String>) -> Vec<Post> {
    let mut patches: Vec<(usize, Mail)> = patches.into_iter().enumerate().collect();
    patches.sort_by_key(|(place, mail)| (sent(mail), *place));
    let mut posts: Vec<Post> = Vec::new();
    for (place, mail) in patches {
        match posts.iter_mut().rev().find(|post| key(&mail) == (post.version, post.rfc, post.total)) {
            Some(post) if post.takes(&mail) => {
                post.last = post.last.max((sent(&mail), place));
                let before = post.patches.len();
                post.patches.retain(|known| !is_again(known, &mail));
                left_out(
                    notes,
                    before - post.patches.len(),
                    "patch that was sent again",
                    "patches that were sent again",
                );
                post.patches.push(mail);
            }
            _ => posts.push(Post::of(mail, place)),
        }
    }
    // Patches without numbers belong to those with numbers that they were given with.
    let (uncounted, mut counted): (Vec<Post>, Vec<Post>) =
        posts.into_iter().partition(|post| post.total.is_none());
    for post in uncounted {
        let same = |known: &&mut Post| (known.version, known.rfc) == (post.version, post.rfc);
        match counted.iter_mut().filter(|known| known.total.is_some()).rfind(same) {
            Some(known) => known.patches.extend(post.patches),
            None => counted.push(post),
        }
    }
    counted
}

/// Which of them is the newest. Versions of an RFC and of what came of it are counted each for itself: there the date tells.
fn newest(posts: &[Post]) -> Option<usize> {
    let of = |rfc: bool| {
        let posts = posts.iter().enumerate().filter(move |(_, post)| post.rfc == rfc);
        posts.max_by_key(|(_, post)| (post.version, post.last))
    };
    let found = match (of(false), of(true)) {
        (Some(plain), Some(rfc)) => {
            let when = |post: &Post| post.last.0;
            if when(plain.1) >= when(rfc.1) { Some(plain) } else { Some(rfc) }
        }
        (plain, rfc) => plain.or(rfc),
    };
    found.map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::super::mail::{Headers, Info, assemble, headers};
    use super::*;

    /// A mail of a thread: subject, id, what it answers, hour, and whether it has a patch.
    fn mail(subject: &str, id: &str, answers: &str, hour: u32, has_patch: bool) -> Mail {
        let text = format!(
            "Subject: {subject}\nMessage-Id: <{id}>\nIn-Reply-To: <{answers}>\nDate: Mon, 2 Nov 2026 {hour:02}:00:00 +0000\n\n"
        );
        let plain = subject.rsplit("] ").next().unwrap_or_default();
        let facts = format!("Author: A\nEmail: a@b\nSubject: {plain}\n");
        assemble(headers(text.as_bytes()), Info { facts, has_patch, ..Info::default() }).unwrap()
    }

    fn said(mails: Vec<Mail>) -> String {
        let Some(series) = sort(mails) else { return "nothing".to_owned() };
        let mut lines: Vec<String> = series
            .patches
            .iter()
            .map(|mail| format!("{} {:?}", mail.headers.id.clone().unwrap_or_default(), place(mail)))
            .collect();
        lines.extend(series.cover.map(|cover| format!("cover: {}", cover.subject)));
        lines.extend(series.notes);
        lines.join("\n")
    }

    #[test]
    fn of_two_copies_of_a_mail_the_one_with_the_patch_is_taken() {
        let cut = || mail("[PATCH 1/1] a", "a1", "", 1, false);
        let whole = || mail("[PATCH 1/1] a", "a1", "", 1, true);
        for copies in [vec![cut(), whole()], vec![whole(), cut()], vec![cut(), whole(), cut()]] {
            assert!(said(copies).starts_with("a1 Some(1)\nleft out: "));
        }
    }

    #[test]
    fn of_a_thread_the_newest_version_is_taken() {
        let thread = vec![
            mail("[PATCH mptcp-next 0/2] cover 1", "c1", "", 1, false),
            mail("[PATCH mptcp-next 1/2] a", "a1", "c1", 1, true),
            mail("[PATCH mptcp-next 2/2] b", "b1", "c1", 1, true),
            mail("Re: [PATCH mptcp-next 2/2] b", "r1", "b1", 2, true),
            mail("Re: [PATCH mptcp-next 0/2] cover 1", "r2", "c1", 2, false),
            mail("[PATCH mptcp-next v2 2/2] b", "b2", "c2", 3, true),
            mail("[PATCH mptcp-next v2 0/2] cover 2", "c2", "c1", 3, false),
            mail("[PATCH mptcp-next v2 1/2] a", "a2", "c2", 3, true),
            mail("[PATCH mptcp-next v2 1/2] a", "a2", "c2", 3, true),
            mail("[PATCH mptcp-next] Squash to \"a\"", "s1", "a2", 4, true),
            mail("A thought", "t1", "c2", 5, true),
        ];
        insta::assert_snapshot!(said(thread), @r#"
        a2 Some(1)
        b2 Some(2)
        cover: cover 2
        left out: 1 mail that is there twice
        left out: 3 replies
        left out: a patch beside the series: Squash to "a"
        left out: version 1, 2 patches: version 2 is newer
        "#);
    }

    #[test]
    fn an_rfc_is_older_than_what_came_of_it_and_a_resend_newer() {
        let rfc = vec![
            mail("[PATCH mptcp-next 1/1] a", "a1", "", 5, true),
            mail("[RFC PATCH mptcp-next v3 1/1] a", "r3", "", 3, true),
        ];
        insta::assert_snapshot!(said(rfc), @r"
        a1 Some(1)
        left out: RFC version 3, 1 patch: version 1 is newer
        ");
        let resend = vec![
            mail("[PATCH net v2 1/2] a", "a1", "", 1, true),
            mail("[PATCH net v2 2/2] b", "b1", "", 1, true),
            mail("[PATCH RESEND net v2 2/2] b", "b2", "", 9, true),
            mail("[PATCH RESEND net v2 1/2] a", "a2", "", 9, true),
        ];
        insta::assert_snapshot!(said(resend), @r"
        a2 Some(1)
        b2 Some(2)
        left out: version 2, 2 patches: another posting of it is newer
        ");
    }

    #[test]
    fn files_come_in_any_order_and_without_ids() {
        let file = |subject: &str, has_patch: bool| {
            let mail = mail(subject, "", "", 0, has_patch);
            Mail { headers: Headers { id: None, sent: None, ..mail.headers }, ..mail }
        };
        let files = vec![
            file("[PATCH 2/2] b", true),
            file("[PATCH 0/2] cover", false),
            file("[PATCH] c", true),
            file("[PATCH 1/2] a", true),
        ];
        insta::assert_snapshot!(said(files), @r"
         Some(1)
         Some(2)
         None
        cover: cover
        ");
        // An answer alone is what it was given for.
        insta::assert_snapshot!(said(vec![file("Re: [PATCH] a", true)]), @" None");
        insta::assert_snapshot!(said(vec![file("[PATCH] a", true), file("[PATCH] b", true), file("notes", false)]), @r"
         None
         None
        left out: 1 other mail without a patch
        ");
        insta::assert_snapshot!(said(vec![file("[PATCH] a", false)]), @"nothing");
    }
}
