namespace Orleans.Runtime
{
    /// <summary>The runtime could not do what was asked.</summary>
    public class OrleansException : Exception
    {
        /// <summary>Without a reason.</summary>
        public OrleansException()
            : base("The actor runtime failed.")
        {
        }

        /// <summary>With a reason.</summary>
        public OrleansException(string message)
            : base(message)
        {
        }

        /// <summary>With a reason and its cause.</summary>
        public OrleansException(string message, Exception? innerException)
            : base(message, innerException)
        {
        }
    }

    /// <summary>The runtime refused a call before the grain's code ran.</summary>
    public class OrleansMessageRejectionException : OrleansException
    {
        /// <summary>Without a reason.</summary>
        public OrleansMessageRejectionException()
            : base("The call was refused.")
        {
        }

        /// <summary>With a reason.</summary>
        public OrleansMessageRejectionException(string message)
            : base(message)
        {
        }

        /// <summary>With a reason and its cause.</summary>
        public OrleansMessageRejectionException(string message, Exception? innerException)
            : base(message, innerException)
        {
        }
    }

    /// <summary>The silo that was to take the call is not there, or stops.</summary>
    public class SiloUnavailableException : OrleansMessageRejectionException
    {
        /// <summary>Without a reason.</summary>
        public SiloUnavailableException()
            : base("The silo is not available.")
        {
        }

        /// <summary>With a reason.</summary>
        public SiloUnavailableException(string message)
            : base(message)
        {
        }

        /// <summary>With a reason and its cause.</summary>
        public SiloUnavailableException(string message, Exception? innerException)
            : base(message, innerException)
        {
        }
    }

    /// <summary>The object behind an observer reference is gone, or never was here.</summary>
    public class ClientNotAvailableException : OrleansException
    {
        /// <summary>Without a reason.</summary>
        public ClientNotAvailableException()
            : base("The observer is not available.")
        {
        }

        /// <summary>With a reason.</summary>
        public ClientNotAvailableException(string message)
            : base(message)
        {
        }

        /// <summary>With a reason and its cause.</summary>
        public ClientNotAvailableException(string message, Exception? innerException)
            : base(message, innerException)
        {
        }
    }

    /// <summary>A bound was reached: an activation has more calls waiting than it may.</summary>
    public sealed class LimitExceededException : OrleansException
    {
        /// <summary>Without a reason.</summary>
        public LimitExceededException()
            : base("Limit exceeded")
        {
        }

        /// <summary>With a reason.</summary>
        public LimitExceededException(string message)
            : base(message)
        {
        }

        /// <summary>With a reason and its cause.</summary>
        public LimitExceededException(string message, Exception innerException)
            : base(message, innerException)
        {
        }

        /// <summary>Names the limit, what was found and what is allowed.</summary>
        public LimitExceededException(string limitName, int current, int threshold, object extraInfo)
            : base($"Limit exceeded {limitName} Current={current} Threshold={threshold} {extraInfo}")
        {
        }
    }

    /// <summary>The grain no longer has the enumerator that a reader pulls from: it was collected, or the activation ended.</summary>
    public sealed class EnumerationAbortedException : Exception
    {
        /// <summary>Without a reason.</summary>
        public EnumerationAbortedException()
            : base("The enumeration was aborted.")
        {
        }

        /// <summary>With a reason.</summary>
        public EnumerationAbortedException(string message)
            : base(message)
        {
        }

        /// <summary>With a reason and its cause.</summary>
        public EnumerationAbortedException(string message, Exception? innerException)
            : base(message, innerException)
        {
        }
    }

    /// <summary>The silo is configured in a way that cannot work.</summary>
    public class OrleansConfigurationException : Exception
    {
        /// <summary>Without a reason.</summary>
        public OrleansConfigurationException()
            : base("The silo is not configured rightly.")
        {
        }

        /// <summary>With a reason.</summary>
        public OrleansConfigurationException(string message)
            : base(message)
        {
        }

        /// <summary>With a reason and its cause.</summary>
        public OrleansConfigurationException(string message, Exception? innerException)
            : base(message, innerException)
        {
        }
    }
}

namespace Orleans.Storage
{
    /// <summary>A write was refused since somebody else wrote in between.</summary>
    public class InconsistentStateException : Runtime.OrleansException
    {
        /// <summary>Without a reason.</summary>
        public InconsistentStateException()
            : base("The stored state changed since it was read.")
        {
        }

        /// <summary>With a reason.</summary>
        public InconsistentStateException(string message)
            : base(message)
        {
        }

        /// <summary>With a reason and its cause.</summary>
        public InconsistentStateException(string message, Exception? innerException)
            : base(message, innerException)
        {
        }

        /// <summary>With the versions that differ.</summary>
        public InconsistentStateException(string errorMsg, string? storedEtag, string? currentEtag)
            : base($"{errorMsg} Stored etag: {storedEtag ?? "none"}; expected: {currentEtag ?? "none"}.")
        {
            StoredEtag = storedEtag;
            CurrentEtag = currentEtag;
        }

        /// <summary>The version in the store.</summary>
        public string? StoredEtag { get; }

        /// <summary>The version that the writer expected.</summary>
        public string? CurrentEtag { get; }
    }
}
