// Random sequences of operations and interleaved transactions, in the store and in the reference at
// once: every answer, every commit and the tree after every commit have to agree.
#include <map>
#include <random>

#include "reference_store.h"
#include "store_fixture.h"

namespace veneer::test {
namespace {

class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(seed) {
    session_ = store_.Open(kHostDomId, false, sink_);
  }

  void Step() {
    const unsigned choice = Pick(20);
    if (choice == 0 && open_.size() < 4) {
      open_.emplace(*store_.StartTransaction(*session_), reference_.Begin());
    } else if (choice <= 2 && !open_.empty()) {
      End(AnyOpen());
    } else if (choice <= 12 && !open_.empty()) {
      const auto it = AnyOpen();
      const Operation operation = AnyOperation();
      ASSERT_EQ(Run(it->first, operation), reference_.Run(it->second, operation)) << operation.path;
    } else {
      const Operation operation = AnyOperation();
      ASSERT_EQ(Run(0, operation), reference_.Run(operation)) << operation.path;
    }
  }

  int commits() const { return commits_; }
  int conflicts() const { return conflicts_; }

 private:
  using OpenTransactions = std::map<TransactionId, ReferenceStore::Transaction>;

  unsigned Pick(unsigned below) { return static_cast<unsigned>(random_() % below); }
  OpenTransactions::iterator AnyOpen() {
    return std::next(open_.begin(), Pick(static_cast<unsigned>(open_.size())));
  }
  std::string AnyPath() {
    // Few names, so that sequences meet.
    std::string path;
    for (unsigned depth = 1 + Pick(3); depth > 0; --depth) {
      path += std::string("/") + "abc"[Pick(3)];
    }
    return Pick(40) == 0 ? "/" : path;
  }
  Operation AnyOperation() {
    constexpr Operation::Kind kKinds[] = {Operation::Kind::kRead,  Operation::Kind::kList,
                                          Operation::Kind::kWrite, Operation::Kind::kWrite,
                                          Operation::Kind::kMkdir, Operation::Kind::kRemove};
    Operation operation{kKinds[Pick(6)], AnyPath(), ""};
    if (operation.kind == Operation::Kind::kWrite) {
      operation.value = std::to_string(Pick(1000));
    }
    return operation;
  }

  static std::string Text(const XsResult<void>& result) {
    return result ? "ok" : std::string(XsErrorName(result.error()));
  }
  std::string Run(TransactionId tx, const Operation& operation) {
    switch (operation.kind) {
      case Operation::Kind::kRead: {
        const auto value = store_.Read(*session_, tx, operation.path);
        return value ? "value " + *value : std::string(XsErrorName(value.error()));
      }
      case Operation::Kind::kList: {
        const auto listing = store_.Directory(*session_, tx, operation.path);
        if (!listing) {
          return std::string(XsErrorName(listing.error()));
        }
        std::string names = "[";
        for (const std::string& name : listing->names) {
          names += name + ",";
        }
        return names + "]";
      }
      case Operation::Kind::kWrite:
        return Text(store_.Write(*session_, tx, operation.path, operation.value));
      case Operation::Kind::kMkdir:
        return Text(store_.Mkdir(*session_, tx, operation.path));
      case Operation::Kind::kRemove:
        return Text(store_.Remove(*session_, tx, operation.path));
    }
    return "";
  }

  void End(OpenTransactions::iterator it) {
    const bool commit = Pick(5) != 0;
    const auto result = store_.EndTransaction(*session_, it->first, commit);
    const bool conflict = commit && reference_.Conflicts(it->second);
    ASSERT_EQ(Text(result), conflict ? "EAGAIN" : "ok");
    if (conflict) {
      ++conflicts_;
    } else if (commit) {
      ++commits_;
      ASSERT_TRUE(reference_.Replay(it->second)) << "a commit that no order of events explains";
    }
    open_.erase(it);
    ExpectSameTree();
  }

  void ExpectSameTree() {
    const ReferenceTree& tree = reference_.tree();
    ReferenceTree found;
    Collect("/", found);
    ASSERT_EQ(found.size(), tree.size());
    for (const auto& [path, node] : tree) {
      ASSERT_EQ(found.count(path), 1u) << path;
      ASSERT_EQ(found[path].value, node.value) << path;
    }
    ASSERT_EQ(store_.NodesOf(kHostDomId), tree.size());
  }
  void Collect(const std::string& path, ReferenceTree& into) {
    into[path].value = *store_.Read(*session_, 0, path);
    const auto listing = store_.Directory(*session_, 0, path);
    for (const std::string& name : listing->names) {
      Collect((path == "/" ? "" : path) + "/" + name, into);
    }
  }

  std::mt19937_64 random_;
  Store store_{XenstoreQuotas{}};
  RecordingSink sink_;
  std::unique_ptr<StoreSession> session_;
  ReferenceStore reference_;
  OpenTransactions open_;
  int commits_ = 0;
  int conflicts_ = 0;
};

TEST(TransactionModel, TheStoreAgreesWithTheReference) {
  int commits = 0;
  int conflicts = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Model model(seed);
    for (int step = 0; step < 400; ++step) {
      model.Step();
      ASSERT_FALSE(HasFatalFailure()) << "seed " << seed << ", step " << step;
    }
    commits += model.commits();
    conflicts += model.conflicts();
  }
  // The sequences must have met both outcomes, or they show nothing.
  EXPECT_GT(commits, 200);
  EXPECT_GT(conflicts, 200);
}

}  // namespace
}  // namespace veneer::test
