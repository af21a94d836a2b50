using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text.Json;

namespace Loire.Gateway.Tests;

/// <summary>A Chromium without a window, driven over its DevTools protocol. One page.</summary>
internal sealed class Browser : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly DirectoryInfo _profile;
    private readonly ClientWebSocket _socket = new();
    private readonly ConcurrentDictionary<int, TaskCompletionSource<JsonElement>> _waiting = new();
    private readonly CancellationTokenSource _closing = new();
    private Task _reading = Task.CompletedTask;
    private int _lastId;

    private Browser(Process process, DirectoryInfo profile)
    {
        _process = process;
        _profile = profile;
    }

    /// <summary>Where Chromium is, or null where there is none.</summary>
    public static string? Executable { get; } = new[] { "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome" }.FirstOrDefault(File.Exists);

    /// <summary>What the page complained about: exceptions, refused content, console errors.</summary>
    public ConcurrentQueue<string> Complaints { get; } = new();

    public static async Task<Browser> StartAsync()
    {
        var profile = Directory.CreateTempSubdirectory("loire-page-");
        var start = new ProcessStartInfo(Executable ?? throw new InvalidOperationException("There is no Chromium."))
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            ArgumentList =
            {
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
                "--remote-debugging-port=0", $"--user-data-dir={profile.FullName}", "about:blank",
            },
        };
        var process = Process.Start(start) ?? throw new InvalidOperationException("Chromium did not start.");
        var browser = new Browser(process, profile);
        await browser.ConnectAsync(await browser.DevToolsAsync().WaitAsync(Patience));
        return browser;
    }

    public async Task<JsonElement> SendAsync(string method, object? parameters = null)
    {
        var id = Interlocked.Increment(ref _lastId);
        var answer = _waiting[id] = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        await _socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes(new { id, method, @params = parameters ?? new { } }), WebSocketMessageType.Text, true, _closing.Token);
        var message = await answer.Task.WaitAsync(Patience);
        return message.TryGetProperty("result", out var result) ? result : throw new InvalidOperationException($"{method}: {message.GetProperty("error")}");
    }

    /// <summary>The value of an expression in the page; promises are awaited.</summary>
    public async Task<JsonElement> EvaluateAsync(string expression)
    {
        var result = await SendAsync("Runtime.evaluate", new { expression, awaitPromise = true, returnByValue = true });
        return result.TryGetProperty("exceptionDetails", out var failure) ? throw new InvalidOperationException($"{expression}: {failure}")
            : result.GetProperty("result").TryGetProperty("value", out var value) ? value : default;
    }

    /// <summary>Waits until an expression is true, looking at every frame that the page draws.</summary>
    public async Task UntilAsync(string expression)
    {
        var held = await EvaluateAsync($$"""
            new Promise(resolve => {
              const end = performance.now() + 30000;
              const look = () => {
                let holds = false;
                try { holds = Boolean({{expression}}); } catch { }
                if (holds || performance.now() > end) resolve(holds); else setTimeout(look, 20);
              };
              look();
            })
            """);
        if (!held.GetBoolean())
        {
            var text = await EvaluateAsync("document.body.innerText");
            throw new TimeoutException($"Waited for {expression}; the page shows: {text}; it complained: {string.Join(" | ", Complaints)}");
        }
    }

    public async Task GoAsync(Uri address)
    {
        await SendAsync("Page.navigate", new { url = address.ToString() });
        await UntilAsync($"document.readyState === 'complete' && location.href.startsWith({JsonSerializer.Serialize(address.ToString())})");
    }

    public async Task<byte[]> ScreenshotAsync(int width, int height, bool dark = false)
    {
        await SendAsync("Emulation.setDeviceMetricsOverride", new { width, height, deviceScaleFactor = 1.0, mobile = width < 600 });
        await SendAsync("Emulation.setEmulatedMedia", new { features = new[] { new { name = "prefers-color-scheme", value = dark ? "dark" : "light" } } });
        await EvaluateAsync("new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve, 250)))");
        return (await SendAsync("Page.captureScreenshot")).GetProperty("data").GetBytesFromBase64();
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        _socket.Dispose();
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
        await _reading;
        _closing.Dispose();
        try
        {
            _profile.Delete(recursive: true);
        }
        catch (IOException)
        {
            // A child of the killed browser may still have written to its profile; the folder for temporary files is swept by others.
        }
    }

    /// <summary>Chromium says on its error output where it listens.</summary>
    private async Task<Uri> DevToolsAsync()
    {
        const string Listening = "DevTools listening on ";
        while (await _process.StandardError.ReadLineAsync() is { } line)
        {
            if (line.StartsWith(Listening, StringComparison.Ordinal))
            {
                return new Uri(line[Listening.Length..].Trim());
            }
        }

        throw new InvalidOperationException("Chromium ended before it listened.");
    }

    private async Task ConnectAsync(Uri devTools)
    {
        // Nobody else reads what it goes on to say, and a full pipe would stop it.
        _process.ErrorDataReceived += static (_, _) => { };
        _ = _process.StandardError.BaseStream.CopyToAsync(Stream.Null, _closing.Token).ContinueWith(static _ => { }, TaskScheduler.Default);
        _ = _process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, _closing.Token).ContinueWith(static _ => { }, TaskScheduler.Default);
        using var http = new HttpClient();
        var targets = await http.GetFromJsonAsync<JsonElement>($"http://{devTools.Authority}/json/list");
        var page = targets.EnumerateArray().First(target => target.GetProperty("type").GetString() == "page");
        await _socket.ConnectAsync(new Uri(page.GetProperty("webSocketDebuggerUrl").GetString()!), _closing.Token);
        _reading = ReadAsync();
        await SendAsync("Runtime.enable");
        await SendAsync("Log.enable");
        await SendAsync("Page.enable");
    }

    private async Task ReadAsync()
    {
        var buffer = new byte[64 << 10];
        var message = new MemoryStream();
        try
        {
            while (await _socket.ReceiveAsync(buffer, _closing.Token) is { MessageType: WebSocketMessageType.Text } part)
            {
                message.Write(buffer.AsSpan(0, part.Count));
                if (part.EndOfMessage)
                {
                    Dispatch(JsonElement.Parse(message.GetBuffer().AsSpan(0, (int)message.Length)));
                    message.SetLength(0);
                }
            }
        }
        catch (Exception closed) when (closed is OperationCanceledException or WebSocketException or ObjectDisposedException)
        {
            // The browser or this test has hung up.
        }
    }

    private void Dispatch(JsonElement message)
    {
        if (message.TryGetProperty("id", out var id))
        {
            if (_waiting.TryRemove(id.GetInt32(), out var waiting))
            {
                waiting.SetResult(message);
            }

            return;
        }

        var complaint = message.GetProperty("method").GetString() switch
        {
            "Runtime.exceptionThrown" => message.GetProperty("params").GetProperty("exceptionDetails").ToString(),
            "Log.entryAdded" when message.GetProperty("params").GetProperty("entry") is var entry && entry.GetProperty("level").GetString() == "error" =>
                $"{entry.GetProperty("text").GetString()} {(entry.TryGetProperty("url", out var url) ? url.GetString() : "")}",
            _ => null,
        };
        if (complaint is not null)
        {
            Complaints.Enqueue(complaint);
        }
    }
}

/// <summary>A test that needs a browser; without one it counts as skipped.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class BrowserFactAttribute : FactAttribute
{
    public BrowserFactAttribute() => Skip = Browser.Executable is null ? "There is no Chromium on this machine." : null;
}
