//! How the board is drawn.

use super::super::status::{hint, lasting, many, number, online, size, took};
use super::board::Board;
use crate::terminal::sanitise::word;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Paragraph, Row, Sparkline, Table};

/// The head over words.
const REASON: &str = "REASON";

/// All of it.
pub(super) fn draw(frame: &mut Frame<'_>, board: &Board) {
    let [head, facts, spark, tables, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(5),
        Constraint::Length(6),
        Constraint::Min(4),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let status = &board.status;
    let title = format!("messengerd {}, for {}", word(&status.version), lasting(status.uptime_seconds));
    frame.render_widget(Line::from(title).bold(), head);
    frame.render_widget(Paragraph::new(self::facts(board)), facts);
    draw_messages(frame, board, spark);
    let [left, middle, right] =
        Layout::horizontal([Constraint::Length(42), Constraint::Length(24), Constraint::Min(20)])
            .spacing(1)
            .areas(tables);
    draw_latencies(frame, board, left);
    draw_queues(frame, board, middle);
    draw_refused(frame, board, right);
    let hint = hint(&status.version);
    let said = hint.as_deref().map_or("q quits. Latencies are of the time since the last look", |hint| hint.trim());
    frame.render_widget(Line::from(said.to_owned()).dim(), foot);
}

fn facts(board: &Board) -> Vec<Line<'static>> {
    let status = &board.status;
    let line = |name: &str, said: String| Line::from(format!("{name:<11}  {said}"));
    let connections: Vec<_> = status
        .connections
        .iter()
        .map(|one| format!("{} of {} ({})", number(one.open), number(one.most), word(&one.protocol)))
        .collect();
    let accepted = board.rate(|status| status.messages_accepted);
    let delivered = board.rate(|status| status.messages_delivered);
    let requests = board.rate(|status| status.connections.iter().map(|one| one.requests).sum());
    let waiting = status.waiting.as_ref().map_or("-".to_owned(), |waiting| {
        format!("{} in {}", number(waiting.entries), many(waiting.mailboxes, "mailbox", "mailboxes"))
    });
    let process = status.process.as_ref().map_or("-".to_owned(), |process| {
        let cpu = board.cpu().map_or("-".to_owned(), |cpu| format!("{:.0} %", cpu * 100.0));
        format!(
            "{} CPU, {}, {} threads, {} of {} descriptors",
            cpu,
            size(process.memory_bytes),
            process.threads,
            number(process.open_descriptors),
            number(process.max_descriptors)
        )
    });
    vec![
        line("online", online(status)),
        line("connections", connections.join(", ")),
        line(
            "in a second",
            format!("{accepted:.1} messages accepted, {delivered:.1} delivered, {requests:.1} requests"),
        ),
        line("waiting", waiting),
        line("process", process),
    ]
}

fn block(title: &str) -> Block<'_> {
    Block::new().borders(Borders::TOP).title(title)
}

fn draw_messages(frame: &mut Frame<'_>, board: &Board, area: Rect) {
    let history = board.history(usize::from(area.width));
    let most = history.iter().copied().max().unwrap_or_default();
    let title = format!(" messages accepted in a second, at most {} ", number(most));
    let block = block("").title(Line::from(title).alignment(Alignment::Left));
    frame.render_widget(Sparkline::default().block(block).data(history).max(most.max(1)), area);
}

/// Words stand to the left, numbers to the right.
fn table<'a>(title: &'a str, heads: &[&'static str], rows: Vec<Vec<String>>, widths: &[Constraint]) -> Table<'a> {
    let side = |place: usize| if ["", REASON].contains(&heads[place]) { Alignment::Left } else { Alignment::Right };
    let row = |cells: Vec<String>| {
        Row::new(cells.into_iter().enumerate().map(|(place, text)| Line::from(text).alignment(side(place))))
    };
    let head = row(heads.iter().map(|head| (*head).to_owned()).collect());
    Table::new(rows.into_iter().map(row), widths).header(head.style(Style::new().bold())).block(block(title))
}

fn draw_latencies(frame: &mut Frame<'_>, board: &Board, area: Rect) {
    let rows =
        board.status.latencies.iter().map(|one| {
            vec![word(&one.name).into_owned(), number(one.count), took(one.p50_seconds), took(one.p99_seconds)]
        });
    frame.render_widget(
        table(
            " how long things take ",
            &["", "TIMES", "HALF", "99 %"],
            rows.collect(),
            &[15, 10, 7, 7].map(Constraint::Length),
        ),
        area,
    );
}

fn draw_queues(frame: &mut Frame<'_>, board: &Board, area: Rect) {
    let rows = board
        .status
        .queues
        .iter()
        .map(|queue| vec![word(&queue.name).into_owned(), number(queue.waiting), number(queue.most)]);
    frame.render_widget(
        table(" queues ", &["", "WAITING", "MOST"], rows.collect(), &[8, 7, 6].map(Constraint::Length)),
        area,
    );
}

fn draw_refused(frame: &mut Frame<'_>, board: &Board, area: Rect) {
    let rows = board.status.refused.iter().filter(|refusal| refusal.count > 0).map(|refusal| {
        vec![word(&refusal.what).into_owned(), word(&refusal.reason).into_owned(), number(refusal.count)]
    });
    frame.render_widget(
        table(
            " refused ",
            &["", REASON, "TIMES"],
            rows.collect(),
            &[Constraint::Length(10), Constraint::Fill(1), Constraint::Length(6)],
        ),
        area,
    );
}

#[cfg(test)]
mod tests {
    use super::super::super::status::VERSION;
    use super::super::super::status::tests::busy;
    use super::*;
    use crate::control::methods::watch_status::Moment;
    use crate::control::status::Status;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn drawn(board: &Board, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, board)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn a_busy_server_on_a_screen() {
        let mut board = Board::of(Moment { seconds: 100.0, status: busy() });
        for more in [10, 25, 5, 0, 40] {
            let messages_accepted = board.status.messages_accepted + more;
            let messages_delivered = board.status.messages_delivered + more / 2;
            board.take(Moment {
                seconds: 1.0,
                status: Status { messages_accepted, messages_delivered, ..board.status.clone() },
            });
        }
        insta::assert_snapshot!(drawn(&board, 100, 24).replace(VERSION, "1.2.3"));
    }

    #[test]
    fn no_screen_is_too_small_and_nothing_too_empty() {
        let empty = Board::of(Moment { seconds: 0.0, status: Status::default() });
        let busy = Board::of(Moment { seconds: 1.0, status: busy() });
        for (width, height) in [(1, 1), (10, 3), (40, 10), (300, 80)] {
            drawn(&empty, width, height);
            drawn(&busy, width, height);
        }
    }
}
