using System.Runtime.CompilerServices;
using System.Text.Json;
using Loire.Contracts;

namespace Loire.Gateway.Tests;

/// <summary>The chat page in a real browser. <c>LOIRE_SCREENSHOTS=DIR</c> keeps pictures of it.</summary>
public sealed class PageTests
{
    private const string Turns = "document.querySelectorAll('.turn').length";
    private const string Idle = "document.querySelector('#stop').hidden";

    [BrowserFact]
    public async Task A_conversation_is_streamed_kept_over_a_reload_forked_rewound_and_deleted()
    {
        await using var gateway = await TestGateway.StartAsync();
        await using var browser = await Browser.StartAsync();
        gateway.Cluster.Script = static (turn, _) => FakeCluster.Pieces(Answer(turn).Split(' ').Select(word => word + " ").ToArray());
        await browser.GoAsync(gateway.Http.BaseAddress!);
        await browser.UntilAsync("document.querySelector('.welcome') && document.querySelector('#health').textContent === 'ready'");
        await PictureAsync(browser, "welcome");

        await SayAsync(browser, "My sister is called Greta.");
        await SayAsync(browser, "Greta lives in Lima.");
        await SayAsync(browser, "Which city does my sister live in?");
        await browser.UntilAsync($"{Turns} === 3 && document.querySelectorAll('.session').length === 1 && {Idle}");
        await browser.UntilAsync("document.querySelector('.turn:last-child').innerText.includes('Your sister Greta lives in Lima.') && document.querySelectorAll('.tools').length === 3");
        Assert.Matches(@"tokens/s[\s\S]*to the first[\s\S]*prompt tokens cached[\s\S]*KiB", (await browser.EvaluateAsync("document.querySelector('.turn:last-child .foot').innerText")).GetString());
        await PictureAsync(browser, "conversation");

        var original = (await browser.EvaluateAsync("location.hash")).GetString();
        await browser.SendAsync("Page.reload");
        await browser.UntilAsync($"document.readyState === 'complete' && {Turns} === 3 && location.hash === '{original}'");

        await browser.EvaluateAsync("[...document.querySelectorAll('.turn')[1].querySelectorAll('button')].find(b => b.textContent.startsWith('Fork')).click()");
        await browser.UntilAsync($"location.hash !== '{original}' && {Turns} === 2 && document.querySelectorAll('.session').length === 2");
        await SayAsync(browser, "And who lives there?");
        await browser.UntilAsync($"{Turns} === 3 && document.querySelectorAll('.tools').length === 3");
        Assert.Contains("forked from", (await browser.EvaluateAsync("document.querySelector('#facts').textContent")).GetString(), StringComparison.Ordinal);

        await SureAsync(browser, "document.querySelectorAll('.turn')[0]", "Rewind to here");
        await browser.UntilAsync($"{Turns} === 1");
        await SureAsync(browser, "document.querySelector('.turn')", "Undo");
        await browser.UntilAsync("document.querySelector('.welcome')");
        await SureAsync(browser, "document.querySelector('#actions')", "Delete");
        await browser.UntilAsync("location.hash === '' && document.querySelectorAll('.session').length === 1");

        await browser.EvaluateAsync("document.querySelector('.session').click()");
        await browser.UntilAsync($"{Turns} === 3 && location.hash === '{original}'");
        Assert.Empty(browser.Complaints);
    }

    [BrowserFact]
    public async Task On_a_phone_everything_fits_and_the_sessions_are_a_drawer()
    {
        await using var gateway = await TestGateway.StartAsync();
        await using var browser = await Browser.StartAsync();
        gateway.Cluster.Script = static (turn, _) => FakeCluster.Pieces(Answer(turn));
        await browser.ScreenshotAsync(390, 780);
        await browser.GoAsync(gateway.Http.BaseAddress!);
        await SayAsync(browser, "My sister is called Greta.");
        await browser.UntilAsync($"{Turns} === 1 && {Idle} && document.querySelector('.tools')");

        var size = await browser.EvaluateAsync("[document.documentElement.scrollWidth, innerWidth, Math.round(document.querySelector('#composer').getBoundingClientRect().bottom), innerHeight]");
        Assert.Equal("[390,390,780,780]", size.GetRawText());
        Assert.Equal("hidden", (await browser.EvaluateAsync("getComputedStyle(document.querySelector('#sidebar')).visibility")).GetString());
        await browser.EvaluateAsync("document.querySelector('#menu').click()");
        await browser.UntilAsync("Math.round(document.querySelector('#sidebar').getBoundingClientRect().left) === 0");
        if (Environment.GetEnvironmentVariable("LOIRE_SCREENSHOTS") is { Length: > 0 } folder)
        {
            await File.WriteAllBytesAsync(Path.Combine(folder, "drawer.png"), await browser.ScreenshotAsync(390, 780));
        }

        await browser.EvaluateAsync("document.querySelector('#veil').click()");
        await browser.UntilAsync("getComputedStyle(document.querySelector('#sidebar')).visibility === 'hidden'");
        Assert.Empty(browser.Complaints);
    }

    [BrowserFact]
    public async Task What_the_model_says_is_text_and_nothing_else()
    {
        await using var gateway = await TestGateway.StartAsync();
        await using var browser = await Browser.StartAsync();
        const string Hostile = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>&amp;";
        gateway.Cluster.Script = static (_, _) => FakeCluster.Pieces(Hostile[..9], Hostile[9..]);
        await browser.GoAsync(gateway.Http.BaseAddress!);

        await SayAsync(browser, "<b>Hi</b>");
        await browser.UntilAsync($"{Turns} === 1 && {Idle} && document.querySelector('.tools')");

        Assert.Equal(Hostile, (await browser.EvaluateAsync("document.querySelector('.assistant').textContent")).GetString());
        Assert.Equal("<b>Hi</b>", (await browser.EvaluateAsync("document.querySelector('.user').textContent")).GetString());
        Assert.NotEqual("owned", (await browser.EvaluateAsync("document.title")).GetString());
        Assert.Empty(browser.Complaints);
    }

    [BrowserFact]
    public async Task Stop_cancels_the_turn_and_a_failure_is_said_in_words_with_a_way_on()
    {
        await using var gateway = await TestGateway.StartAsync();
        await using var browser = await Browser.StartAsync();
        gateway.Cluster.Script = static (_, cancellationToken) => Endless(cancellationToken);
        await browser.GoAsync(new Uri(gateway.Http.BaseAddress!, "/#stopped"));

        await SayAsync(browser, "Count for ever.");
        await browser.UntilAsync("document.querySelector('.assistant.writing')?.textContent.includes('three')");
        await PictureAsync(browser, "writing");
        var ended = gateway.Cluster.Session("stopped").Ended.Task;
        await browser.EvaluateAsync("document.querySelector('#stop').click()");
        Assert.True(await ended.WaitAsync(TimeSpan.FromSeconds(30)));
        await browser.UntilAsync(Idle);

        gateway.Cluster.Script = static (turn, _) => FakeCluster.Pieces(Answer(turn));
        var refusals = 1;
        gateway.Cluster.Session("stopped").BeforeTurn = _ =>
        {
            if (refusals-- > 0)
            {
                throw new ClusterException(FailureCode.NoCapacity, "No replica has a free slot; retry in a second.");
            }
        };
        await SayAsync(browser, "My sister is called Greta.");
        await browser.UntilAsync("document.querySelector('#notice').innerText.includes('No replica has a free slot')");
        await PictureAsync(browser, "refused");
        await browser.EvaluateAsync("document.querySelector('#notice button').click()");
        await browser.UntilAsync($"{Turns} === 1 && {Idle} && document.querySelector('#notice').hidden && document.querySelector('.tools')");
    }

    [BrowserFact]
    public async Task A_server_with_keys_is_asked_with_one()
    {
        await using var gateway = await TestGateway.StartAsync(new GatewayOptions { ApiKeys = ["open-sesame"] });
        gateway.Cluster.Script = static (_, _) => FakeCluster.Pieces("Hello.");
        await using var browser = await Browser.StartAsync();
        await browser.GoAsync(gateway.Http.BaseAddress!);
        await browser.UntilAsync("document.querySelector('#key-dialog').open");
        await PictureAsync(browser, "key");

        await browser.EvaluateAsync("document.querySelector('#key').value = 'wrong-key'; document.querySelector('#key-form button').click()");
        await browser.UntilAsync("document.querySelector('#key-dialog').open && document.querySelector('#key-title').textContent.includes('not accepted')");
        await browser.EvaluateAsync("document.querySelector('#key').value = 'open-sesame'; document.querySelector('#key-form button').click()");
        await browser.UntilAsync("document.querySelector('#model').textContent.includes('loire-demo') && document.querySelector('#sessions').textContent.includes('No session yet')");
        await SayAsync(browser, "Hi");

        await browser.UntilAsync($"{Turns} === 1 && {Idle} && document.querySelector('.tools')");
    }

    private static string Answer(TurnRequest turn) => turn.Messages[^1].Content switch
    {
        "My sister is called Greta." => "I'll remember that your sister is called Greta.",
        "Greta lives in Lima." => "Got it: Greta lives in Lima.",
        _ => "Your sister Greta lives in Lima.",
    };

    private static async IAsyncEnumerable<string> Endless([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var word in new[] { "one ", "two ", "three " })
        {
            yield return word;
        }

        await Task.Delay(Timeout.Infinite, cancellationToken);
    }

    private static async Task SayAsync(Browser browser, string text)
    {
        await browser.UntilAsync(Idle);
        await browser.EvaluateAsync($"document.querySelector('#input').value = {JsonSerializer.Serialize(text)}; document.querySelector('#composer').requestSubmit()");
        await browser.UntilAsync($"document.querySelector('.turn:last-child .user')?.textContent === {JsonSerializer.Serialize(text)}");
    }

    /// <summary>Presses a button that asks once more, twice.</summary>
    private static async Task SureAsync(Browser browser, string within, string label)
    {
        var button = $"[...{within}.querySelectorAll('button')].find(b => b.textContent === '{label}')";
        await browser.UntilAsync($"{button} && !{button}.disabled");
        await browser.EvaluateAsync($"(() => {{ const b = {button}; b.click(); b.click(); }})()");
    }

    private static async Task PictureAsync(Browser browser, string name)
    {
        if (Environment.GetEnvironmentVariable("LOIRE_SCREENSHOTS") is not { Length: > 0 } folder)
        {
            return;
        }

        Directory.CreateDirectory(folder);
        await File.WriteAllBytesAsync(Path.Combine(folder, $"{name}-light.png"), await browser.ScreenshotAsync(1280, 800));
        await File.WriteAllBytesAsync(Path.Combine(folder, $"{name}-dark.png"), await browser.ScreenshotAsync(1280, 800, dark: true));
        await File.WriteAllBytesAsync(Path.Combine(folder, $"{name}-phone.png"), await browser.ScreenshotAsync(390, 780));
        await browser.ScreenshotAsync(1280, 800);
    }
}
