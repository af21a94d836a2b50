using System.Text;

namespace Loire.Cli.Terminal;

/// <summary>Rows under headings, as aligned text or as Markdown. Columns of figures are right-aligned.</summary>
internal sealed class TextTable(params string[] headings)
{
    private readonly List<string[]> _rows = [];

    public void Add(params string[] cells)
    {
        if (cells.Length != headings.Length)
        {
            throw new ArgumentException($"The row has {cells.Length} cells, the table {headings.Length} columns.", nameof(cells));
        }

        _rows.Add(cells);
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var row in _rows.Prepend(headings))
        {
            text.AppendLine(string.Join("  ", row.Select((cell, column) => IsRight(column) ? cell.PadLeft(WidthOf(column)) : cell.PadRight(WidthOf(column)))).TrimEnd());
        }

        return text.ToString();
    }

    public string ToMarkdown()
    {
        var text = new StringBuilder();
        text.AppendLine($"| {string.Join(" | ", headings)} |");
        text.AppendLine($"|{string.Join("|", headings.Select((_, column) => IsRight(column) ? "---:" : "---"))}|");
        foreach (var row in _rows)
        {
            text.AppendLine($"| {string.Join(" | ", row)} |");
        }

        return text.ToString();
    }

    private int WidthOf(int column) => _rows.Select(row => row[column].Length).Append(headings[column].Length).Max();

    private bool IsRight(int column) => column > 0 && _rows.All(row => row[column].Length == 0 || char.IsAsciiDigit(row[column][0]) || row[column][0] is '-' or '<');
}
