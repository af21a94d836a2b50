using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>Told of silos whose process seems to have ended; registered by a clustering provider that can end a membership before its time.</summary>
public interface IRefusedSilos
{
    /// <summary>A connection to the silo broke without a farewell, and its address has refused new ones since: nobody listens there.</summary>
    /// <remarks>Any thread; returns at once. A silo that is frozen, cut off or overloaded does not refuse: its lease has to end.</remarks>
    void Refused(SiloAddress silo);
}
