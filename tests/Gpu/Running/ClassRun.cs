using Xunit.Abstractions;
using Xunit.Sdk;

namespace Loire.Gpu.Tests.Running;

/// <summary>Runs the tests of one class in this process and prints a line for each.</summary>
internal sealed class ClassRun(TextWriter output) : LongLivedMarshalByRefObject, IMessageSink, IDisposable
{
    private readonly ManualResetEventSlim _finished = new();
    private readonly List<IXunitTestCase> _found = [];
    private readonly ManualResetEventSlim _discovered = new();
    private bool _failed;

    /// <summary>Every class of this assembly that has tests.</summary>
    public static IReadOnlyList<string> Classes { get; } =
    [
        .. typeof(ClassRun).Assembly.GetTypes()
            .Where(type => type is { IsPublic: true, IsAbstract: false } && type.GetMethods().Any(method => method.IsDefined(typeof(FactAttribute), inherit: true)))
            .Select(type => type.FullName!).Order(StringComparer.Ordinal),
    ];

    /// <returns>0 when nothing failed.</returns>
    public int Run(string className)
    {
        var assembly = typeof(ClassRun).Assembly;
        using var discoverer = new XunitTestFrameworkDiscoverer(Reflector.Wrap(assembly), new NoSources(), this);
        discoverer.Find(className, includeSourceInformation: false, this, new Options());
        _discovered.Wait();
        using var executor = new XunitTestFrameworkExecutor(assembly.GetName(), new NoSources(), this);
        executor.RunTests(_found, this, new Options());
        _finished.Wait();
        return _failed ? 1 : 0;
    }

    public bool OnMessage(IMessageSinkMessage message)
    {
        switch (message)
        {
            case ITestCaseDiscoveryMessage { TestCase: IXunitTestCase found }:
                _found.Add(found);
                break;
            case IDiscoveryCompleteMessage:
                _discovered.Set();
                break;
            case ITestStarting starting:
                Say(TestOutcome.Started, starting.Test.DisplayName, 0, "");
                break;
            case ITestPassed passed:
                Say(TestOutcome.Passed, passed.Test.DisplayName, passed.ExecutionTime, "");
                break;
            case ITestSkipped skipped:
                Say(TestOutcome.Skipped, skipped.Test.DisplayName, 0, skipped.Reason);
                break;
            case ITestFailed failed:
                Fail(failed.Test.DisplayName, failed.ExecutionTime, failed);
                break;
            case ITestAssemblyFinished:
                _finished.Set();
                break;
            case IFailureInformation failure: // of a fixture, a class or the runner
                Fail(message.GetType().Name, 0, failure);
                break;
        }

        return true;
    }

    public void Dispose()
    {
        _finished.Dispose();
        _discovered.Dispose();
    }

    private void Fail(string test, decimal seconds, IFailureInformation failure)
    {
        _failed = true;
        var text = string.Join(Environment.NewLine, failure.Messages.Zip(failure.StackTraces, (message, trace) => $"{message}{Environment.NewLine}{trace}"));
        Say(TestOutcome.Failed, test, seconds, text);
    }

    private void Say(TestOutcome outcome, string test, decimal seconds, string text) => new TestLine(outcome, test, (double)seconds, text).Write(output);

    private sealed class NoSources : LongLivedMarshalByRefObject, ISourceInformationProvider
    {
        public ISourceInformation GetSourceInformation(ITestCase testCase) => new SourceInformation();

        public void Dispose()
        {
        }
    }

    /// <summary>The runner's defaults.</summary>
    private sealed class Options : LongLivedMarshalByRefObject, ITestFrameworkDiscoveryOptions, ITestFrameworkExecutionOptions
    {
        private readonly Dictionary<string, object?> _values = new(StringComparer.Ordinal);

        public TValue? GetValue<TValue>(string name) => _values.TryGetValue(name, out var value) ? (TValue?)value : default;

        public void SetValue<TValue>(string name, TValue value) => _values[name] = value;
    }
}
